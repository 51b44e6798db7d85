"""What is to be sent, and who sends it: the caller hands over and goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from google.api_core.exceptions import InvalidArgument

from .envelope import Letter
from .setback import Setback, log

CAPACITY = 10_000
CAPACITY_BYTES = 32 * 1024 * 1024
"""What waits at most while Pub/Sub is away; beyond that letters are lost."""

BATCH = 200
BATCH_BYTES = 1024 * 1024
LARGEST = 3 * 1024 * 1024
"""Bytes of one letter. Pub/Sub takes 10 MB, its emulator 4 of which it delivers."""

LINGER = 0.01
"""Seconds for letters to come together."""

SENDERS = 8
"""Batches that are under way at once."""


class Outbox:
    """Sends to one topic in the background: in order for letters of one key, and again until it
    succeeds.

    When it is full, a live letter is dropped, and one that lasts pushes out the oldest.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Letter]], Awaitable[None]],
        say: Callable[[Exception], str] = str,
        capacity: int = CAPACITY,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        """`say` makes a sentence of what `send` raises."""
        self._send, self._say = send, say
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        # By key. A lane's letters are sent one batch after the other.
        self._lanes: dict[str, deque[Letter]] = {}
        self._ready: deque[str] = deque()
        self._arrived, self._empty = asyncio.Event(), asyncio.Event()
        self._empty.set()
        self._setback = Setback()
        self.waiting = self.waiting_bytes = 0
        self.lost = 0
        self._senders = [asyncio.create_task(self._run()) for _ in range(SENDERS)]

    def put(self, letter: Letter, *, live: bool = False) -> None:
        """Never waits."""
        if letter.size > LARGEST:
            self.lose(f"a message of {letter.size} bytes is larger than {LARGEST}")
            return
        while self._full(letter):
            if live or not self._push_out():
                self.lose("more waits to be sent than there is room for")
                return
        lane = self._lanes.get(letter.key)
        if lane is None:
            lane = self._lanes[letter.key] = deque()
            self._ready.append(letter.key)
            self._arrived.set()
        lane.append(letter)
        self._count(letter, 1)

    async def flush(self, seconds: float) -> bool:
        """Wait until all is sent, that long at most; whether it is."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop sending; what still waits is lost."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            while not self._ready:
                self._arrived.clear()
                await self._arrived.wait()
            key = self._ready.popleft()
            await asyncio.sleep(LINGER)
            lane = self._lanes[key]
            batch = self._take(lane)
            if batch:
                await self._deliver(batch)
                for letter in batch:
                    self._count(letter, -1)
            if lane:
                self._ready.append(key)
            else:
                del self._lanes[key]

    def _take(self, lane: deque[Letter]) -> list[Letter]:
        batch: list[Letter] = []
        room = BATCH_BYTES
        while lane and len(batch) < BATCH:
            room -= lane[0].size
            if batch and room < 0:
                break
            batch.append(lane.popleft())
        return batch

    async def _deliver(self, batch: Sequence[Letter]) -> None:
        while True:
            try:
                await self._send(batch)
            except InvalidArgument as error:
                await self._deliver_each(batch, error)
                return
            except Exception as error:
                await self._setback.failed(self._say(error))
            else:
                self._setback.over()
                return

    async def _deliver_each(self, batch: Sequence[Letter], error: InvalidArgument) -> None:
        """One letter of the batch was refused: the others need not suffer."""
        if len(batch) == 1:
            self.lose(self._say(error))
            return
        for letter in batch:
            await self._deliver([letter])

    def _full(self, letter: Letter) -> bool:
        return (
            self.waiting >= self._capacity
            or self.waiting_bytes + letter.size > self._capacity_bytes
        )

    def _push_out(self) -> bool:
        """Drop the oldest letter that is not on its way."""
        for lane in self._lanes.values():
            if lane:
                self._count(lane.popleft(), -1)
                self.lose("more waits to be sent than there is room for")
                return True
        return False

    def _count(self, letter: Letter, sign: int) -> None:
        self.waiting += sign
        self.waiting_bytes += sign * letter.size
        if self.waiting:
            self._empty.clear()
        else:
            self._empty.set()

    def lose(self, why: str) -> None:
        """Count a message that is not sent, and say so now and then."""
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:  # at the 1st, 2nd, 4th, 8th …
            log.warning("not sent, %d messages so far: %s", self.lost, why)
