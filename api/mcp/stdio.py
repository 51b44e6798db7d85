"""MCP over standard input and output, for a client that starts the process itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from mcp.server.stdio import stdio_server

from ..app import open_app
from ..control import Asker, Control
from ..identity import LOCAL
from .callers import Owner
from .hearing import Lines
from .server import PATIENCE, build

if TYPE_CHECKING:
    import anyio

    from ..app import App


async def serve(stop: asyncio.Event, patience: float | None = None) -> None:
    """Until the client has gone, or somebody says stop. Over the store of this folder.

    While it is open, it goes on with whatever nobody else drives: what an answer sets free,
    and what was begun by a client before. Raises `ConfigurationError`, `StoreError`.
    """
    async with open_app() as app:
        app.manager.serve()
        talking = asyncio.ensure_future(_talk(app, PATIENCE if patience is None else patience))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait((talking, stopped), return_when=asyncio.FIRST_COMPLETED)
        for each in (talking, stopped):
            each.cancel()
        with suppress(asyncio.CancelledError):
            await talking


async def _talk(app: App, patience: float) -> None:
    server = build(Owner(Control(app.manager, Asker(LOCAL, "mcp"))), patience)
    lines = cast("anyio.AsyncFile[str]", Lines())  # nothing else is asked of it
    async with stdio_server(lines) as (heard, said):
        await server.run(heard, said, server.create_initialization_options())
