"""REST under `/v1`: every operation of `Control`, described by OpenAPI."""

from .routes import mount

__all__ = ["mount"]
