"""A server of Assay, from Python: `assay.Client`."""

from .client import Client

__all__ = ["Client"]
