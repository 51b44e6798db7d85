"""Topics within one process: for tests, and for trying out what listens to one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from ..graphs.topics import Delivery

TOGETHER = 100
"""Messages that are given at once."""

_log = logging.getLogger("assay.triggers")


class LocalTopics:
    """The `Topics` port in memory: nothing of it outlasts the process."""

    def __init__(self) -> None:
        self._inlets: dict[str, dict[str, LocalInlet]] = {}
        self._number = count(1)

    async def publish(
        self,
        topic: str,
        data: bytes,
        *,
        attributes: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        delivery = Delivery(str(next(self._number)), data, dict(attributes or {}), key)
        for inlet in self._inlets.get(topic, {}).values():
            inlet.put(delivery)

    def subscriptions(self, topic: str) -> Collection[str]:
        """Those that the topic has."""
        return self._inlets.get(topic, {})

    @asynccontextmanager
    async def subscribe(self, topic: str, subscription: str) -> AsyncIterator[LocalInlet]:
        _log.warning(
            "the topic %s is one of this process, which no other program can publish to; for a "
            "topic of Pub/Sub set ASSAY_BUS=pubsub://PROJECT",
            topic,
        )
        inlets = self._inlets.setdefault(topic, {})
        yield inlets.setdefault(subscription, LocalInlet())

    async def close(self) -> None:
        """Nothing is open."""


class LocalInlet:
    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._arrived.set()

    async def pull(self) -> Sequence[Delivery]:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]

    async def settle(self, taken: Sequence[Delivery], back: Sequence[Delivery] = ()) -> None:
        del taken
        self._waiting.extendleft(reversed(back))
        if back:
            self._arrived.set()
