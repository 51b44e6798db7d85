"""A wire between a store and the emulator that can be cut: calls arrive, answers do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_ANSWER = 60
"""Bytes that any answer has; what only keeps a connection in order has fewer."""


class Wire:
    """Carries bytes both ways. `deaf`: nothing comes back. `cut`: nothing goes at all."""

    def __init__(self, server: str) -> None:
        self.host = ""
        self.deaf = False
        self.cut = False
        self.lost = asyncio.Event()
        """An answer got lost."""
        self._server = server
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._server.rpartition(":")
        if self.cut:
            writer.close()
            return
        back, forth = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, forth}
        try:
            await asyncio.gather(self._carry(reader, forth), self._carry(back, writer, True))
        finally:
            for each in (writer, forth):
                self._writers.discard(each)
                each.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False
    ) -> None:
        dropped = 0
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if answers and self.deaf:
                    dropped += len(data)
                    if dropped > _ANSWER:
                        self.lost.set()
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()

    def hang_up(self) -> None:
        """End the connections that there are."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def wire(server: str) -> AsyncIterator[Wire]:
    """A wire to that server; give `host` to the client."""
    made = Wire(server)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()
        made.hang_up()
        await asyncio.sleep(0.01)  # let the connections end
