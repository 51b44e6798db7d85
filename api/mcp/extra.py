"""Whether the optional part that speaks the protocol is installed."""

from __future__ import annotations

from importlib.util import find_spec

from ...graphs.errors import ConfigurationError

LACKING = "MCP is an optional part; install it: pip install 'assay[mcp]'"


def present() -> bool:
    return find_spec("mcp") is not None


def require() -> None:
    """Raises `ConfigurationError` when it is not there."""
    if not present():
        raise ConfigurationError(LACKING)
