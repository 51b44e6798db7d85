"""What is sent to one client: a frame at a time, and no more than is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..listening import STALLED
from .frames import TRY_LATER, ClosingError

_LAST = 1.0
"""Seconds that the last words may take where they cannot be put behind what is unread."""

_REASON = 120
"""Bytes of the reason in a close frame, which has room for 123."""


class Line:
    """Whoever sends waits until the frame is on its way: nothing is piled up here."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._turn = asyncio.Lock()
        self.spoke = asyncio.get_running_loop().time()
        """When something was sent last, on the clock of the loop."""

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Raises `ClosingError` when nothing is read, `WebSocketDisconnect` when nobody reads."""
        text = encoded(frame)
        async with self._turn:
            if self._socket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect
            try:
                async with asyncio.timeout(STALLED):
                    await self._socket.send_text(text)
            except TimeoutError as error:
                slow = f"Nothing was read for {STALLED:g} s; come back with your cursors"
                raise ClosingError(TRY_LATER, "slow_reader", slow) from error
            except RuntimeError as error:  # closed meanwhile, by the server below
                raise WebSocketDisconnect from error
        self.spoke = asyncio.get_running_loop().time()

    async def close(self, why: ClosingError, cursors: Mapping[str, str]) -> None:
        """Say why and how far each stream has come, then close."""
        last = {"type": "closing", "cursors": cursors, "code": why.name, "message": why.message}
        reason = why.message.encode()[:_REASON].decode(errors="ignore")
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_LAST):
                # `last`: our server puts it behind what is unread, others ignore it and wait.
                text = encoded(last)
                await self._socket.send({"type": "websocket.send", "text": text, "last": True})
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_LAST):
                await self._socket.close(why.code, reason)


def encoded(frame: Mapping[str, Any]) -> str:
    return orjson.dumps(frame, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
