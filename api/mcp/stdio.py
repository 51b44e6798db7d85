"""MCP over standard input and output, for a client that starts the process itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, cast

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server

from ...graphs.errors import AssayError
from ..app import open_app
from ..control import Asker, Control
from ..identity import LOCAL
from .callers import Owner
from .hearing import Lines
from .listening import Listening
from .server import PATIENCE, build

if TYPE_CHECKING:
    from ..app import App
    from .callers import Context


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
    owner = Owner(Control(app.manager, Asker(LOCAL, "mcp"), app.triggers.desk))
    listening = Listening(owner)
    server = build(owner, listening, patience)
    lines = cast("anyio.AsyncFile[str]", Lines())  # nothing else is asked of it
    async with stdio_server(lines) as (heard, said), anyio.create_task_group() as group:
        told = False

        async def changes(context: Context) -> None:
            with suppress(AssayError):  # the list itself says what is wrong
                async for _ in listening.tools(
                    owner.control(context), partial(owner.still, context)
                ):
                    await context.session.send_tool_list_changed()

        async def begun(context: Context, _: types.NotificationParams) -> None:
            """Clients of before 2026 say so once, and need not ask to be told."""
            nonlocal told
            if not told:
                told = True
                group.start_soon(changes, context)

        server.add_notification_handler(
            "notifications/initialized", types.NotificationParams, begun
        )
        await server.run(heard, said, server.create_initialization_options())
        group.cancel_scope.cancel()
