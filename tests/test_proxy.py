"""The proxy that other tests rely on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from tests.proxy import Proxy

pytestmark = pytest.mark.anyio


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says everything again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.sleep(0.01)  # let the connections end


async def test_it_carries_until_it_is_cut_and_again_once_it_is_restored(echo: int) -> None:
    async with Proxy("127.0.0.1", echo) as proxy, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x" * 1_000_000)
        assert await reader.readexactly(1_000_000) == b"x" * 1_000_000
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        refused, refusing = await asyncio.open_connection(proxy.host, proxy.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.readexactly(1)
        refusing.close()
        proxy.restore()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_it_delays_each_way(echo: int) -> None:
    async with Proxy("127.0.0.1", echo) as proxy, asyncio.timeout(60):
        proxy.delay = 0.05
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        begun = time.monotonic()
        writer.write(b"slow")
        assert await reader.readexactly(4) == b"slow"
        assert time.monotonic() - begun >= 0.1
        writer.close()
        await writer.wait_closed()
