"""The doorbell: one of the workers that wait hears of each ring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from .client import Client, Received
from .envelope import Unreadable, read_ring
from .names import SHARED, WORK
from .setback import Setback, log

_FRESH: float = SHARED[WORK]["ack_deadline_seconds"] - 2
"""Seconds after which Pub/Sub gives a ring that nobody took to another worker."""


Answer = Callable[[str, Sequence[Received]], Awaitable[None]]


class Rings:
    """An asynchronous iterator over the ids of executions to look at, for one reader.

    A ring is fetched only while the reader waits for one, so a worker with its hands full
    keeps none from the others, and acknowledged once the reader has it.
    """

    def __init__(
        self, client: Client, unreadable: Callable[[Received, str, Unreadable], None]
    ) -> None:
        self._client = client
        self._unreadable = unreadable
        self._fetching: asyncio.Task[tuple[str, Received, float]] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._closed:
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._fetch())
            # Not cancelled with the reader: the ring would be heard by nobody for a while.
            await asyncio.wait({self._fetching})
            if self._fetching is None or self._fetching.cancelled():
                break
            execution_id, received, at = self._fetching.result()
            self._fetching = None
            if time.monotonic() - at < _FRESH:
                self._answer(self._client.acknowledge, received)
                return execution_id
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration. A ring that nobody took is for another worker at once."""
        self._closed = True
        if self._fetching is not None:
            fetching, self._fetching = self._fetching, None
            fetching.cancel()
            await asyncio.wait({fetching})
            if not fetching.cancelled():
                self._answer(self._client.give_back, fetching.result()[1])
        if self._answers:
            await asyncio.wait(self._answers)

    async def _fetch(self) -> tuple[str, Received, float]:
        setback = Setback()
        while True:
            try:
                found = await self._client.pull(WORK, 1)
            except Exception as error:
                await setback.failed(self._say(error, "give rings of the doorbell"))
                continue
            setback.over()
            for received in found:
                try:
                    return read_ring(received.letter), received, time.monotonic()
                except Unreadable as reason:
                    self._unreadable(received, WORK, reason)
                    self._answer(self._client.acknowledge, received)

    def _answer(self, how: Answer, received: Received) -> None:
        """In the background: a ring that comes twice does no harm."""
        task = asyncio.create_task(self._try(how, received))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _try(self, how: Answer, received: Received) -> None:
        try:
            await how(WORK, [received])
        except Exception as error:
            log.info("%s", self._say(error, "take the answer to a ring"))

    def _say(self, error: Exception, doing: str) -> str:
        return self._client.problem(error, doing, "pubsub.subscriptions.consume").message
