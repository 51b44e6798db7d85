"""MCP over HTTP: one address, and every request to it says who sends it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.routing import Route

from ..http.asking import credential, desk
from ..http.problems import problem
from .extra import LACKING, present

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import Receive, Scope, Send

    from ..control import Control
    from ..http.asking import Desk
    from .callers import Context

PATH = "/mcp"
SESSIONS = 1000
"""Sessions of clients from before 2026 that are open at once; later clients have none."""

_CONTROL = "assay.control"


def mount(app: FastAPI, patience: float | None = None) -> None:
    """Answer MCP at `/mcp`, each call within so many seconds; or say how to get it."""
    app.router.routes.append(Route(PATH, _Door(patience) if present() else _absent))


class _Absent:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem(501, "not_installed", LACKING)(scope, receive, send)


_absent = _Absent()


class _Door:
    """Lets each request in by its own key, whatever session it names."""

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self._sessions: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        at = desk(connection)
        control = await at.let_in(connection, "mcp")
        sessions = await self._open(at)
        asker = control.asker
        # A session is its owner's: whoever else names it is told that there is none.
        scope["user"] = _user(f"{asker.tenant}/{asker.principal.id}")
        scope[_CONTROL] = control
        await sessions.handle_request(scope, receive, send)

    async def _open(self, at: Desk) -> StreamableHTTPSessionManager:
        if self._sessions is None:
            self._sessions = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._sessions, at))
            at.tenants.before_closing(self._close)
        return await asyncio.shield(self._sessions)

    async def _run(self, opened: asyncio.Future[StreamableHTTPSessionManager], at: Desk) -> None:
        # Imported when first asked for, and aside: it takes half a second.
        sessions = await asyncio.to_thread(_sessions, at, self._patience)
        async with sessions.run():
            opened.set_result(sessions)
            await asyncio.Event().wait()

    async def _close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


class _Senders:
    """Who sent the HTTP request that a message came with, also within a session."""

    def __init__(self, at: Desk) -> None:
        self._desk = at

    def control(self, context: Context) -> Control:
        control: Control = _sender(context).scope[_CONTROL]
        return control

    async def still(self, context: Context) -> None:
        await self._desk.identity.asker(credential(_sender(context)), "mcp")


def _sender(context: Context) -> HTTPConnection:
    request = context.request
    assert isinstance(request, HTTPConnection)
    return request


def _sessions(at: Desk, patience: float | None) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from .server import PATIENCE, build

    server = build(_Senders(at), PATIENCE if patience is None else patience)
    return StreamableHTTPSessionManager(server, max_sessions=SESSIONS)


def _user(id: str) -> object:
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    return AuthenticatedUser(AccessToken(token="", client_id=id, scopes=[]))
