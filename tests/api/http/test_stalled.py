"""Whoever asks and does not read what they asked for is let go, and nothing is held for them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from assay.api import connections
from assay.api.serving import served

pytestmark = pytest.mark.anyio

LUMP = "x" * 1_000_000


@asynccontextmanager
async def plugged(url: str) -> AsyncIterator[socket.socket]:
    """Connected, with room for next to nothing on this side."""
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        at = urlsplit(url)
        await asyncio.get_running_loop().sock_connect(plug, (at.hostname, at.port))
        yield plug


async def test_an_answer_that_nobody_reads_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED", 0.3)
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield LUMP
                await asyncio.sleep(0)
        finally:
            ended.set()

    async def answer(_: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    app = Starlette(routes=[Route("/", answer)])
    async with served(app, "127.0.0.1:0") as url, plugged(url) as plug:
        await asyncio.get_running_loop().sock_sendall(plug, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            await ended.wait()


async def test_a_socket_that_nobody_reads_can_be_closed_and_says_why() -> None:
    closed = asyncio.Event()

    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        try:
            async with asyncio.timeout(1):
                while True:
                    await ws.send_text(LUMP)
        except TimeoutError:
            await ws.close(1013, "nobody reads")
            closed.set()

    app = Starlette(routes=[WebSocketRoute("/", talk)])
    async with served(app, "127.0.0.1:0") as url, plugged(url) as plug:
        at = url.replace("http", "ws", 1)
        async with connect(at, sock=plug, compression=None, max_queue=1, max_size=None) as wire:
            async with asyncio.timeout(60):
                await closed.wait()
            with suppress(ConnectionClosed):
                while True:
                    assert await wire.recv() == LUMP
            end = wire.protocol.close_rcvd
            assert end is not None
            assert (end.code, end.reason) == (1013, "nobody reads")


async def test_a_socket_that_nobody_ever_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED", 0.3)
    gone = asyncio.Event()

    async def talk(ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(LUMP)
        finally:
            gone.set()

    app = Starlette(routes=[WebSocketRoute("/", talk)])
    async with served(app, "127.0.0.1:0") as url, plugged(url) as plug:
        at = url.replace("http", "ws", 1)
        async with connect(at, sock=plug, compression=None, max_queue=1, max_size=None) as wire:
            async with asyncio.timeout(60):
                await gone.wait()
            wire.transport.abort()
