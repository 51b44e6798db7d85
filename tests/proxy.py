"""A TCP proxy between a client and a server, to be cut, mended and slowed down by a test."""

from __future__ import annotations

import asyncio
from typing import Self

_CHUNK = 1 << 16


class Proxy:
    """`async with Proxy("127.0.0.1", 8080) as proxy:` listens at `proxy.port` meanwhile."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        """Known once it has been entered; the same until it is left, also after `cut`."""
        self.delay = 0.0
        """Seconds that what is carried waits, each way; may be changed at any time."""
        self._target = (target_host, target_port)
        self._whole = True
        self._carrying: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port`, as the emulators' variables want it."""
        return f"{self.host}:{self.port}"

    def cut(self) -> None:
        """End every connection at once, and each new one as it comes. Twice is harmless."""
        self._whole = False
        for task in self._carrying:
            task.cancel()

    def restore(self) -> None:
        """Carry the connections that are made from now on."""
        self._whole = True

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await asyncio.sleep(0)  # let the transports end

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not asyncio's own task for each connection: it would report that it was cancelled.
        task = asyncio.create_task(self._connect(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            return
        try:
            back, forth = await asyncio.open_connection(*self._target)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, forth))
                both.create_task(self._carry(back, writer))
        except* OSError:
            pass  # one end broke off: so does the other
        finally:
            forth.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the reader's end closes."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

        async def read() -> None:
            data = b"begin"
            while data:
                data = await reader.read(_CHUNK)
                await chunks.put((loop.time() + self.delay, data))

        async def write() -> None:
            while True:
                due, data = await chunks.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            both.create_task(write())
