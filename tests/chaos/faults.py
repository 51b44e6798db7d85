"""Messages that are dropped, doubled and late, in the process that installs this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from assay.store.pubsub.client import Client
from assay.store.pubsub.envelope import Letter

DROPPED, DOUBLED, LATE = 0.08, 0.08, 0.14
"""How likely each is for a batch of messages."""

LATEST = 3.0
"""Seconds."""


class Faults:
    """`note` hears `dropped`, `doubled` or `late`, and how many messages."""

    def __init__(self, random: Random, note: Callable[[str, int], None]) -> None:
        self._random, self._note = random, note
        self._plain = Client.publish
        self._late: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        """For every bus of this process that is opened from now on."""
        faults = self

        async def publish(client: Client, topic: str, letters: Sequence[Letter]) -> None:
            await faults._publish(client, topic, letters)

        Client.publish = publish  # type: ignore[method-assign, assignment]

    async def close(self) -> None:
        """What is late now never comes; installing is undone."""
        Client.publish = self._plain  # type: ignore[method-assign]
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _publish(self, client: Client, topic: str, letters: Sequence[Letter]) -> None:
        lot = self._random.random()
        if lot < DROPPED:
            self._note("dropped", len(letters))
        elif lot < DROPPED + DOUBLED:
            self._note("doubled", len(letters))
            await self._plain(client, topic, letters)
            await self._plain(client, topic, letters)
        elif lot < DROPPED + DOUBLED + LATE:
            self._note("late", len(letters))
            task = asyncio.create_task(self._later(client, topic, letters))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            await self._plain(client, topic, letters)

    async def _later(self, client: Client, topic: str, letters: Sequence[Letter]) -> None:
        await asyncio.sleep(self._random.uniform(0.05, LATEST))
        with suppress(Exception):  # then it is lost
            await self._plain(client, topic, letters)
