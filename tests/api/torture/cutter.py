"""A TCP proxy that cuts each connection after some bytes of the server's, whatever they are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Self

_CHUNK = 4096


class Cutter:
    """`async with Cutter(port, rng, mean) as cutter:` listens at `cutter.port` meanwhile.

    A connection lives for `mean` bytes from the server, more or less; no bytes are lost or
    changed before the cut, and none come after it.
    """

    def __init__(self, target: int, rng: Random, mean: float) -> None:
        self.port = 0
        self.cuts = 0
        self._target = target
        self._rng = rng
        self._mean = mean
        self._carrying: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=500)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not asyncio's own task for each connection: it would report that it was cancelled.
        task = asyncio.create_task(self._connect(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        budget = int(self._rng.expovariate(1 / self._mean)) + 1
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        there = asyncio.ensure_future(self._forward(reader, forth))
        here = asyncio.ensure_future(self._backward(back, writer, budget))
        try:
            # A client that has gone ends it, and so does the server; none waits for the other.
            await asyncio.wait((there, here), return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            here.cancel()
            await asyncio.gather(there, here, return_exceptions=True)
            forth.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()

    async def _backward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                writer.write(data[:budget])
                await writer.drain()
                budget -= len(data)
                if budget <= 0:
                    self.cuts += 1
                    return
            # What was written last arrives before the connection ends.
            writer.write_eof()
            await reader.read()
