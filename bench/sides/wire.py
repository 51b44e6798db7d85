"""An HTTP client that costs next to nothing: one connection, kept open, as it is needed here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import orjson


class Wire:
    """`async with Wire(port, key) as wire:` one request after another."""

    def __init__(self, port: int, key: str = "") -> None:
        self._port = port
        self._headers = f"Host: 127.0.0.1:{port}\r\n"
        if key:
            self._headers += f"Authorization: Bearer {key}\r\n"

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        made: socket.socket = self._writer.get_extra_info("socket")
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def post(self, path: str, body: Any) -> Any:
        """The answer, as JSON. Raises `RuntimeError` unless all is well."""
        self._ask("POST", path, body)
        length = int((await self._head()).get("content-length", 0))
        return orjson.loads(await self._reader.readexactly(length))

    async def stream(self, path: str, method: str = "GET") -> AsyncIterator[dict[str, str]]:
        """Each server-sent event as its fields, comments as a field without a name."""
        self._ask(method, path, {} if method == "POST" else None)
        head = await self._head()
        assert head.get("transfer-encoding") == "chunked", head
        rest = b""
        while size := int(await self._reader.readline(), 16):
            rest += (await self._reader.readexactly(size + 2))[:-2]
            *blocks, rest = rest.split(b"\n\n")
            for block in blocks:
                parts = [line.partition(": ") for line in block.decode().split("\n")]
                yield {name: value for name, _, value in parts}
        await self._reader.readexactly(2)

    def _ask(self, method: str, path: str, body: Any) -> None:
        content = b"" if body is None else orjson.dumps(body)
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}"
        if body is None:
            head += "Accept: text/event-stream\r\n"
        else:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + content)

    async def _head(self) -> dict[str, str]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.split("\r\n")
        if status.split()[1][0] != "2":
            raise RuntimeError(f"{status}: {(await self._reader.read(1000)).decode()}")
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
