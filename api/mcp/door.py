"""MCP over HTTP: one address, and every request to it says who sends it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
from starlette.requests import HTTPConnection
from starlette.routing import Route

from ...graphs.errors import AssayError
from ..http.asking import credential, desk
from ..http.problems import problem
from .extra import LACKING, present
from .sessions import Sessions
from .stream import Stream

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import Receive, Scope, Send

    from ..control import Control
    from ..http.asking import Desk
    from .callers import Context
    from .listening import Listening

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
        self._listening: Listening | None = None
        self._owned: Sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        at = desk(connection)
        control = await at.let_in(connection, "mcp")
        sessions = await self._open(at)
        asker = control.asker
        # A session is its owner's: whoever else names it is told that there is none.
        owner = f"{asker.tenant}/{asker.principal.id}"
        scope["user"] = _user(owner)
        scope[_CONTROL] = control
        if scope["method"] == "GET":
            await self._listened(sessions, scope, receive, send)
        else:
            await self._owned(owner, scope, receive, send)

    async def _listened(
        self, sessions: StreamableHTTPSessionManager, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The stream on which a session of before 2026 hears what nobody asked for."""
        assert self._listening is not None
        stream, control = Stream(send), scope[_CONTROL]
        still = partial(_still, desk(HTTPConnection(scope)), HTTPConnection(scope))

        async def changes(listening: Listening) -> None:
            await stream.open.wait()
            try:
                async for _ in listening.tools(control, still):
                    await stream.say({"method": "notifications/tools/list_changed"})
            except AssayError:
                await stream.end()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(changes, self._listening)
            await sessions.handle_request(scope, receive, stream.send)
            group.cancel_scope.cancel()

    async def _open(self, at: Desk) -> StreamableHTTPSessionManager:
        if self._sessions is None:
            self._sessions = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._sessions, at))
            at.tenants.before_closing(self._close)
        return await asyncio.shield(self._sessions)

    async def _run(self, opened: asyncio.Future[StreamableHTTPSessionManager], at: Desk) -> None:
        try:
            # Imported when first asked for, and aside: it takes half a second.
            sessions, self._listening = await asyncio.to_thread(_sessions, at, self._patience)
            async with sessions.run():
                self._owned = Sessions(sessions.handle_request)
                opened.set_result(sessions)
                await asyncio.Event().wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

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
        await _still(self._desk, _sender(context))


async def _still(at: Desk, connection: HTTPConnection) -> None:
    await at.identity.asker(credential(connection), "mcp")


def _sender(context: Context) -> HTTPConnection:
    request = context.request
    assert isinstance(request, HTTPConnection)
    return request


def _sessions(at: Desk, patience: float | None) -> tuple[StreamableHTTPSessionManager, Listening]:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from .listening import Listening
    from .server import PATIENCE, build

    senders = _Senders(at)
    listening = Listening(senders)
    server = build(senders, listening, PATIENCE if patience is None else patience)
    manager = StreamableHTTPSessionManager(
        server, max_sessions=SESSIONS, max_request_body_size=at.front.largest
    )
    return manager, listening


def _user(id: str) -> object:
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    return AuthenticatedUser(AccessToken(token="", client_id=id, scopes=[]))
