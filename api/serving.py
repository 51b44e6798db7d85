"""Serves an ASGI application from within the process's own event loop."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from ..graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.applications import Starlette

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\s\[\]]*)):(?P<port>[0-9]{1,5})")
_BACKLOG = 128
_GRACE = 2
"""Seconds that requests have when the server ends."""
_LARGEST = 1 << 20
"""Bytes of one message over a WebSocket."""
_GONE = 90
"""Seconds after which a connection is cut whose other end is not there."""


@asynccontextmanager
async def served(application: Starlette, address: str) -> AsyncIterator[str]:
    """Within, the application answers at HOST:PORT; yields its URL. Port 0: a free one.

    Without a host it listens on every address. When the server ends, an application that has a
    `state.farewell` says it first. Raises `ConfigurationError`.
    """
    import uvicorn

    from .connections import Http, Socket

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
        http=Http,
        ws=Socket,
        ws_max_size=_LARGEST,
        # A kilobyte could become a megabyte, and each connection would hold a window.
        ws_per_message_deflate=False,
        # Who reads slowly answers late: `_GONE` finds out who is not there.
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
        why = str(error) if error.errno is None else os.strerror(error.errno)
        raise ConfigurationError(f"nothing can listen at {address}: {why}") from error


def _tune(listening: socket.socket) -> None:
    """For every connection that comes by it."""
    tcp = socket.IPPROTO_TCP
    # asyncio does so only where the socket names its protocol, and an answer of two writes would
    # wait 40 ms for an acknowledgement.
    listening.setsockopt(tcp, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listening.setsockopt(tcp, socket.TCP_KEEPIDLE, _GONE // 2)
        listening.setsockopt(tcp, socket.TCP_KEEPINTVL, _GONE // 6)
        listening.setsockopt(tcp, socket.TCP_USER_TIMEOUT, _GONE * 1000)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
