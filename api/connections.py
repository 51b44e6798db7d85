"""Connections that let go of whoever does not read or does not speak: uvicorn waits for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from asyncio import BaseTransport, TimerHandle

PATIENCE = 10.0
"""Seconds until the head of a request has to be there."""

STALLED = 60.0
"""Seconds for which nothing could be written, after which a connection is cut."""

_UNREADABLE = (
    b'{"type":"urn:assay:unreadable","title":"Bad Request","status":400,"code":"unreadable",'
    b'"detail":"This is not a request of HTTP/1.1; nothing of it was looked at."}'
)

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: 177\r\n\r\n"
    b'{"type":"urn:assay:too_large","title":"Request Header Fields Too Large","status":431,'
    b'"code":"too_large","detail":"A header before a WebSocket has 8 KiB at most; there are 128."}'
)


class _Cut:
    """Cuts a connection that has been stalled for too long."""

    def __init__(self) -> None:
        self._timer: TimerHandle | None = None

    def upcoming(self, transport: asyncio.Transport) -> None:
        self._timer = asyncio.get_running_loop().call_later(STALLED, transport.abort)

    def off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Http(H11Protocol):
    """Hangs up on whoever begins to ask and does not go on, or asks and does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._cut = _Cut()
        self._hurry: TimerHandle | None = None
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cut.off()
        self._rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut.upcoming(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cut.off()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP at all; no application is asked."""
        headers = [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(_UNREADABLE))),
            ("Connection", "close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=_UNREADABLE),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._hurry is None:
            self._hurry = self.loop.call_later(PATIENCE, self.transport.close)

    def _rest(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket that closes on whoever does not read, too."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._cut = _Cut()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Of a line of more than 8 KiB, say, uvicorn tells nobody, and waits for ever.
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" or message.get("last"):
            # The frame goes behind what has yet to be read, rather than waits until it is.
            self.writable.set()
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        text = self.curr_msg_data_type == "text"
        if text and not self.close_sent and not _decodes(b"".join(self.frames)):
            # uvicorn takes it for a fault of its own, and logs a traceback.
            self.frames = []
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cut.off()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut.upcoming(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cut.off()


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
