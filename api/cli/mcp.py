"""`assay mcp`: workflows as tools of a program that starts this one."""

from __future__ import annotations

from ..mcp.extra import require
from .exits import OK
from .opened import here_only
from .signals import signals


async def mcp(wait: float | None) -> int:
    """Serve until the client has gone; returns the exit code.

    Raises `ConfigurationError` when the extra is not installed, `StoreError`.
    """
    here_only("mcp")
    require()
    from ..mcp.stdio import serve

    with signals() as stop:
        await serve(stop, wait)
    return OK
