"""Serves an ASGI application from within the process's own event loop."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from ..graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from uvicorn._types import ASGISendEvent

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\s\[\]]*)):(?P<port>[0-9]{1,5})")
_BACKLOG = 128
_GRACE = 2
"""Seconds that requests have when the server ends."""
_PATIENCE = 10.0
"""Seconds until the head of a request has to be there."""
_LARGEST = 1 << 20
"""Bytes of one message over a WebSocket."""
_UNREAD = 90
"""Seconds after which a connection is cut whose other end takes nothing, or is not there."""


@asynccontextmanager
async def served(application: Starlette, address: str) -> AsyncIterator[str]:
    """Within, the application answers at HOST:PORT; yields its URL. Port 0: a free one.

    Without a host it listens on every address. When the server ends, an application that has a
    `state.farewell` says it first. Raises `ConfigurationError`.
    """
    import h11
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class Patient(H11Protocol):
        """Hangs up on whoever begins to ask and does not go on: uvicorn would wait for ever."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._hurry: asyncio.TimerHandle | None = None
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._rest()

        def _watch(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._rest()
            elif self._hurry is None:
                self._hurry = self.loop.call_later(_PATIENCE, self._give_up)

        def _rest(self) -> None:
            if self._hurry is not None:
                self._hurry.cancel()
                self._hurry = None

        def _give_up(self) -> None:
            self.transport.close()

    class Sockets(WebSocketsSansIOProtocol):
        """Says its last words also to whoever reads nothing: they come behind what is unread.
        And takes text that is none for what it is, where uvicorn logs a fault of its own."""

        async def send(self, message: ASGISendEvent) -> None:
            if message["type"] == "websocket.close" or message.get("last"):
                self.writable.set()
            await super().send(message)

        def send_receive_event_to_app(self) -> None:
            text = self.curr_msg_data_type == "text"
            if text and not self.close_sent and not _decodes(b"".join(self.frames)):
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
            else:
                super().send_receive_event_to_app()

    class Server(uvicorn.Server):
        """Signals are for who runs the event loop, not for a server in it."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    listening = _listen(address)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        http=Patient,
        ws=Sockets,
        ws_max_size=_LARGEST,
        # A kilobyte could become a megabyte, and each connection would hold a window.
        ws_per_message_deflate=False,
        # Who reads slowly answers late: `_UNREAD` finds out who is gone.
        ws_ping_timeout=None,
        timeout_graceful_shutdown=_GRACE,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield _url(listening)
    finally:
        try:
            if (farewell := getattr(application.state, "farewell", None)) is not None:
                await farewell.say()
        finally:
            server.should_exit = True
            await serving


def _listen(address: str) -> socket.socket:
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise ConfigurationError(
            f"{address!r} is no address to listen at; give HOST:PORT, as 127.0.0.1:8080, or :8080"
        )
    host, port = found["v6"] or found["host"] or "0.0.0.0", int(found["port"])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        _tune(listening)
        return listening
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen at {address}: {error.strerror or error}"
        ) from error


def _tune(listening: socket.socket) -> None:
    """For every connection that comes by it."""
    tcp = socket.IPPROTO_TCP
    # asyncio does so only where the socket names its protocol, and an answer of two writes would
    # wait 40 ms for an acknowledgement.
    listening.setsockopt(tcp, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listening.setsockopt(tcp, socket.TCP_KEEPIDLE, _UNREAD // 2)
        listening.setsockopt(tcp, socket.TCP_KEEPINTVL, _UNREAD // 6)
        listening.setsockopt(tcp, socket.TCP_USER_TIMEOUT, _UNREAD * 1000)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
