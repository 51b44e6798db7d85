"""Servers on this machine that are told things, and behave as badly as they are asked to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Heard:
    """One request that came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Listener:
    """Answers with `answers`, one after the other, then always with the last.

    An answer is a status, `hang`, `close`, or a whole text to be sent as it is.
    """

    answers: Sequence[int | str] = (204,)
    heard: list[Heard] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    tls: bool = False
    host: str = "127.0.0.1"
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}/told"

    async def count(self, wanted: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(60):
            while len(self.heard) < wanted:
                self._news.clear()
                await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *fields = head.strip().split("\r\n")
                pairs = (each.split(": ", 1) for each in fields)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                number = min(len(self.heard), len(self.answers) - 1)
                self.heard.append(Heard(line, headers, body))
                self._news.set()
                if not await self._answer(self.answers[number], writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, answer: int | str, writer: asyncio.StreamWriter) -> bool:
        match answer:
            case "hang":
                await asyncio.sleep(60)
                return False
            case "close":
                return False
            case int():
                writer.write(f"HTTP/1.1 {answer} Said\r\nContent-Length: 0\r\n\r\n".encode())
            case _:
                writer.write(answer.encode())
        await writer.drain()
        return True


@asynccontextmanager
async def listening(
    *answers: int | str, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Listener]:
    """A listener while within."""
    listener = Listener(
        answers or (204,), tls=tls is not None, host=f"[{host}]" if ":" in host else host
    )
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await listener.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
