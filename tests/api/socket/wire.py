"""A WebSocket byte by byte: sends what no client would, and reads how the server closes."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9

_MASK = b"\x01\x02\x03\x04"


@dataclass(frozen=True)
class Door:
    """A WebSocket of the server, and how one is let in by it."""

    path: str
    protocol: str | None
    first: str
    member: str

    def opening(self, key: str) -> bytes:
        """The first frame, of somebody who has that key."""
        member: Any = key if self.member == "key" else {"Authorization": f"Bearer {key}"}
        return frame(json.dumps({"type": self.first, self.member: member}))


OURS = Door("/v1/ws", None, "hello", "key")
GRAPHQL = Door("/graphql", "graphql-transport-ws", "connection_init", "payload")


def frame(
    payload: str | bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame as RFC 6455 has it, or not: `length` is what it says of itself."""
    body = payload.encode() if isinstance(payload, str) else payload
    size = len(body) if length is None else length
    head = bytes([(fin << 7) | (reserved << 4) | opcode])
    bit = masked << 7
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + body
    return head + _MASK + bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(body))


class Wire:
    """One connection; `told` are the text frames that came, `code` the one of the close."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.answer = answer
        self.told: list[Any] = []

    async def send(self, *frames: bytes) -> None:
        for each in frames:
            self._writer.write(each)
        with suppress(ConnectionError):  # it has closed already
            await self._writer.drain()

    def end(self) -> None:
        """Nothing more will be sent."""
        with suppress(OSError):
            self._writer.write_eof()

    async def close_code(self) -> int | None:
        """Reads to the end; None when it came without a close frame."""
        try:
            async with asyncio.timeout(60):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005
                    if opcode == TEXT:
                        self.told.append(json.loads(payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, type: str) -> int | None:
        """Reads until a frame of that type came; the close code when it closes before."""
        try:
            async with asyncio.timeout(60):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005
                    if opcode == TEXT:
                        self.told.append(json.loads(payload))
                        if self.told[-1]["type"] == type:
                            return None
        except (asyncio.IncompleteReadError, ConnectionError):
            return 1006

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 15, await self._reader.readexactly(size)


def request(door: Door, host: str, offer: str = "") -> bytes:
    """The handshake; `offer` names extensions."""
    lines = [
        f"GET {door.path} HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    if door.protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {door.protocol}")
    if offer:
        lines.append(f"Sec-WebSocket-Extensions: {offer}")
    return "\r\n".join([*lines, "", ""]).encode()


@asynccontextmanager
async def wired(url: str, door: Door, *, offer: str = "") -> AsyncIterator[Wire]:
    """An open WebSocket."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        writer.write(request(door, at.netloc, offer))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield Wire(reader, writer, answer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
