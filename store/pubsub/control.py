"""Who listens in this process to what is said to all processes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Self

CAPACITY = 1_000
"""Messages that wait for a listener; then the oldest are dropped."""


class Told:
    """An asynchronous iterator over control messages, for one reader."""

    def __init__(self) -> None:
        self._messages: deque[Mapping[str, Any]] = deque(maxlen=CAPACITY)
        self._arrived = asyncio.Event()
        self._closed = False

    def offer(self, message: Mapping[str, Any]) -> None:
        if not self._closed:
            self._messages.append(message)
            self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    async def aclose(self) -> None:
        """Take no further message, and end the iteration."""
        self._closed = True
        self._messages.clear()
        self._arrived.set()
