"""What happens to executions, followed in the store from a place that outlasts the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING

from ..graphs.errors import AssayError, InvalidInput, StateCorrupted
from ..graphs.event import Event, EventType
from ..graphs.execution import timestamp
from ..graphs.firing import Lane, lane_id
from ..graphs.fold import events as events_of

if TYPE_CHECKING:
    from ..graphs.ports import EventBus, Store
    from ..graphs.stored import Logged

Take = Callable[[Sequence[Event]], Awaitable[None]]

PAGE = 200
"""Entries of the log that are read at once."""

KEEP = 1.0
"""Seconds between two writings of how far it has come, while there is news."""

REFRESH = 30.0
"""Seconds between two times that it is asked whether it is wanted."""

IDLE = 3600.0
"""Seconds after which its place is written, too, while it is not wanted."""

PATIENCE = (0.2, 10.0)
"""Seconds between two tries when something fails: first and longest."""

WATCH = "watch"
"""Stands for the trigger in the lane that keeps the place; no trigger has such an id."""

_log = logging.getLogger("assay.triggers")


class Watch:
    """Hands on the durable events of some types, of all executions: each at least once, those
    of an execution in order.

    Whoever watches under a name first begins with what comes then; from there on nothing is
    passed over, whoever is killed. Every process that watches under the name hands on
    everything, and after a restart the last moments again: what `take` does must be known by
    an id that is the same each time, as `execution_id` and `seq` of the event are.
    """

    def __init__(
        self,
        store: Store,
        bus: EventBus,
        name: str,
        types: Collection[EventType],
        take: Take,
        wanted: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """What `take` raises is logged, and the same events are handed on again.

        While `wanted` says no, the log is not read, which may cost money. It is asked now and
        then, and at every `look`; then all is handed on that came after it last said no.
        """
        self._store, self._bus = store, bus
        self._id = lane_id(WATCH, name)
        self._name = name
        self._types = frozenset(types)
        # What the journal spells out; the records of steps have no names in them.
        self._marks = [f'"{type.value}"'.encode() for type in types]
        self._reads_all = any(type.name.startswith("STEP_") for type in types)
        self._take = take
        self._cursor = ""
        self._revision = 0  # of the lane when it is written next
        self._kept, self._kept_at = "", 0.0
        self._wants = wanted
        self._following = True
        self._asked_at = -REFRESH
        self._bell = asyncio.Event()

    def look(self) -> None:
        """Ask at once whether it is wanted: something has changed."""
        self._asked_at = -REFRESH
        self._bell.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        heard = self._bus.here()
        ringing = asyncio.create_task(self._ring(heard))
        try:
            await self._insist(self._begin)
            while True:
                rung = self._bell.is_set()
                self._bell.clear()
                if not await self._insist(self._wanted):
                    await self._rest(self._asked_at + REFRESH - time.monotonic())
                elif await self._insist(self._read):
                    continue
                elif rung and self._store.pace.late:
                    # It is told a little later, or what was rung for was read before.
                    await asyncio.sleep(self._store.pace.late)
                else:
                    await self._rest(self._store.pace.listen)
        finally:
            ringing.cancel()

    async def mark(self) -> None:
        """Have it begin here, if nobody has watched under the name yet."""
        if await self._store.lane(self._id) is None:
            document = {"name": self._name, "cursor": await self._store.log_end()}
            await self._store.put_lane(Lane(self._id, WATCH, timestamp(), document, lasting=True))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._bell.wait()

    async def _ring(self, heard: AsyncIterator[Event]) -> None:
        async for event in heard:
            if event.seq:
                self._bell.set()

    async def _wanted(self) -> bool:
        """Asked now and then."""
        if self._wants is None or time.monotonic() - self._asked_at < REFRESH:
            return self._following
        end = await self._store.log_end()
        self._following = await self._wants()
        self._asked_at = time.monotonic()
        if not self._following:
            # Whoever wants something from now on wants what comes behind that.
            self._cursor = end
            if self._asked_at - self._kept_at >= IDLE:
                await self._keep()
        return self._following

    async def _begin(self) -> bool:
        """From where the last one was, or, for the first of all, from now."""
        await self.mark()
        lane = await self._store.lane(self._id)
        assert lane is not None
        self._cursor = self._kept = str(lane.document["cursor"])
        self._revision = lane.revision + 1
        return True

    async def _read(self) -> bool:
        """Hand on what there is; whether there may be more at once."""
        try:
            page = await self._store.log(after=self._cursor, limit=PAGE)
        except InvalidInput:
            _log.warning(
                "%s: the store's log does not reach as far as it was watched (was a backup "
                "restored?); it is watched from now on",
                self._name,
            )
            self._cursor = await self._store.log_end()
            page = ()
        found = [event for logged in page for event in self._of_types(logged)]
        if found:
            await self._take(found)
        if page:
            self._cursor = page[-1].cursor
        if self._cursor != self._kept and time.monotonic() - self._kept_at >= KEEP:
            await self._keep()
        return bool(page)

    def _of_types(self, logged: Logged) -> Sequence[Event]:
        data = logged.entry.data
        if not self._reads_all and not any(mark in data for mark in self._marks):
            return ()
        try:
            return [
                event
                for event in events_of(logged.entry, logged.execution_id)
                if event.type in self._types
            ]
        except StateCorrupted as error:
            _log.error("%s: what happened there is passed over: %s", self._name, error.message)
            return ()

    async def _keep(self) -> bool:
        """Write down how far it has come; False: somebody else has, which does as well."""
        self._kept_at = time.monotonic()
        document = {"name": self._name, "cursor": self._cursor}
        lane = Lane(self._id, WATCH, timestamp(), document, lasting=True, revision=self._revision)
        if await self._store.put_lane(lane):
            self._revision, self._kept = self._revision + 1, self._cursor
            return True
        there = await self._store.lane(self._id)
        self._revision = 0 if there is None else there.revision + 1
        return False

    async def _insist(self, work: Callable[[], Awaitable[bool]]) -> bool:
        delay, longest = PATIENCE
        while True:
            try:
                return await work()
            except AssayError as error:
                _log.warning("%s is tried again: %s", self._name, error.message)
            except Exception:
                _log.exception("%s is tried again", self._name)
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, longest)
