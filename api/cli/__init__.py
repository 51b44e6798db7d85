"""The command line: `assay run FILE`, and everything beside it."""

from .commands import main

__all__ = ["main"]
