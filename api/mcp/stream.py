"""The stream of server-sent events that a client keeps open: one more may be said on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from starlette.types import Message, Send


class Stream:
    """Sends what somebody else answers; once that is a stream, it is `open`."""

    def __init__(self, send: Send) -> None:
        self.open = anyio.Event()
        self._send = send
        self._ended = False

    async def send(self, message: Message) -> None:
        if self._ended:
            return
        await self._send(message)
        if message["type"] == "http.response.start" and _is_stream(message):
            self.open.set()

    async def say(self, message: Mapping[str, Any]) -> None:
        """Between two whole events, as each is one piece of the body."""
        data = json.dumps({"jsonrpc": "2.0", **message})
        body = f"event: message\r\ndata: {data}\r\n\r\n".encode()
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})
        self._ended = True


def _is_stream(start: Message) -> bool:
    kind: bytes = dict(start["headers"]).get(b"content-type", b"")
    return start["status"] == 200 and kind.startswith(b"text/event-stream")
