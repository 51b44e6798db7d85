"""Sessions of clients from before 2026: nobody's leave no room for those of others."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    Handle = Callable[[Scope, Receive, Send], Awaitable[None]]

OWN = 100
"""Sessions of one asker that are open at once: another one ends the oldest."""

_ID = b"mcp-session-id"


class Sessions:
    """Hands requests on, and remembers whose session each of them began."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._of: defaultdict[str, deque[bytes]] = defaultdict(deque)

    async def __call__(self, owner: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A request of that owner's."""
        begun: list[bytes] = []

        async def hear(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                begun.extend(value for name, value in message["headers"] if name == _ID)
            await send(message)

        if any(name == _ID for name, _ in scope["headers"]):
            await self._handle(scope, receive, send)
            return
        await self._handle(scope, receive, hear)
        self._of[owner].extend(begun)
        while len(self._of[owner]) > OWN:
            await self._end(self._of[owner].popleft(), scope)

    async def _end(self, id: bytes, scope: Scope) -> None:
        """As its owner would; one that has ended by itself is not found."""

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def unheard(_: Message) -> None:
            return

        headers = [(_ID, id), (b"accept", b"application/json, text/event-stream")]
        await self._handle({**scope, "method": "DELETE", "headers": headers}, nothing, unheard)
