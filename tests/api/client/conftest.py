"""A server in this process, a client of it, and a wire between them that breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from tests.api.http.conftest import Served, served

from assay import Client

__all__ = ["served"]

PATIENCE = 60.0
"""Seconds for which a test's client looks for a server: the machine may be busy."""


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """Of an admin."""
    async with Client(served.url, key=served.keys["admin"], patience=PATIENCE) as one:
        yield one


class Wire:
    """Leads to a server, and breaks each connection after a number of bytes of the answer.

    `longest`: that number is a random one below; 0: it breaks no more. `streams`: only streams
    are broken, after that many bytes.
    """

    def __init__(self, url: str, longest: int, seed: int, streams: int) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname, parts.port)
        self.longest = longest
        self.streams = streams
        self.cuts = 0
        self.url = ""
        self._random = random.Random(seed)

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        left = _Left(self._random.randrange(self.longest) if self.longest else None)
        both = [
            asyncio.create_task(self._ask(reader, far_writer, left)),
            asyncio.create_task(_answer(far_reader, writer, left)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            self.cuts += both[1].done() and not both[1].cancelled() and both[1].result()
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.transport.abort()
            far_writer.transport.abort()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: _Left
    ) -> bool:
        with suppress(OSError):
            while chunk := await reader.read(4096):
                if self.streams:
                    left.bytes = self.streams if b"text/event-stream" in chunk else None
                writer.write(chunk)
                await writer.drain()
        return False


@dataclass
class _Left:
    """How many bytes of the answer pass before the wire breaks; None: all."""

    bytes: int | None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: _Left) -> bool:
    """Whether it was broken off."""
    with suppress(OSError):
        while chunk := await reader.read(4096):
            if left.bytes is not None and len(chunk) > left.bytes:
                writer.write(chunk[: left.bytes])
                await writer.drain()
                return True
            left.bytes = None if left.bytes is None else left.bytes - len(chunk)
            writer.write(chunk)
            await writer.drain()
    return False


@asynccontextmanager
async def wired(
    url: str, *, longest: int = 0, seed: int = 0, streams: int = 0
) -> AsyncIterator[Wire]:
    wire = Wire(url, longest, seed, streams)
    server = await asyncio.start_server(wire.lead, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        wire.url = f"http://{host}:{port}"
        yield wire
