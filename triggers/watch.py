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
from ..graphs.fold import events as events_of
from .place import Place

if TYPE_CHECKING:
    from ..graphs.ports import EventBus, Store
    from ..graphs.stored import Logged

Take = Callable[[Sequence[Event]], Awaitable[None]]

PAGE = 200
"""Entries of the log that are read at once."""

REFRESH = 30.0
"""Seconds between two times that it is asked whether it is wanted."""

IDLE = 3600.0
"""Seconds after which its place is written, too, while it is not wanted."""

APART = 0.1
"""Seconds that one waits longer than it must whose turn it is not."""

LEAVE = 2.0
"""Seconds in which whoever ends may say so."""

PATIENCE = (0.2, 10.0)
"""Seconds between two tries when something fails: first and longest."""

_log = logging.getLogger("assay.triggers")


class Watch:
    """Hands on the durable events of some types, of all executions: each at least once, those
    of an execution in order.

    Whoever watches under a name first begins with what comes then; from there on nothing is
    passed over, whoever is killed. Of the processes that watch under a name one reads, and
    another goes on when it is gone; then the last moments are handed on again, and now and then
    two read at once. So what `take` does must be known by an id that is the same each time, as
    `execution_id` and `seq` of the event are.
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
        self._name = name
        self._place = Place(store, name)
        self._types = frozenset(types)
        # What the journal spells out; the records of steps have no names in them.
        self._marks = [f'"{type.value}"'.encode() for type in types]
        self._reads_all = any(type.name.startswith("STEP_") for type in types)
        self._take = take
        self._wants = wanted
        self._following = True
        self._asked_at = float("-inf")
        self._unwanted = ""  # the end of the log when nobody wanted anything
        self._bell = asyncio.Event()

    @property
    def reads(self) -> bool:
        """Whether it is this one that reads."""
        return self._place.ours

    def look(self) -> None:
        """Ask at once whether it is wanted: something has changed."""
        self._asked_at = float("-inf")
        self._bell.set()

    async def mark(self) -> None:
        """Have it begin here, if nobody has watched under the name yet."""
        await self._place.mark()

    async def run(self) -> None:
        """Watch until cancelled."""
        ringing = asyncio.create_task(self._ring(self._bus.here()))
        try:
            await self._insist(self._begin)
            while True:
                rung = self._bell.is_set()
                self._bell.clear()
                if not await self._insist(self._wanted):
                    await self._rest(self._asked_at + REFRESH - time.monotonic())
                elif not await self._insist(self._turn):
                    # Whatever rings, another deals with it.
                    await asyncio.sleep(max(0.0, self._place.free_at - time.time()) + APART)
                elif await self._insist(self._read):
                    continue
                elif rung and self._store.pace.late:
                    # It is told a little later, or what was rung for was read before.
                    await asyncio.sleep(self._store.pace.late)
                else:
                    await self._rest(self._store.pace.listen)
        finally:
            ringing.cancel()
            with contextlib.suppress(AssayError, TimeoutError):
                async with asyncio.timeout(LEAVE):
                    await self._place.leave()

    async def _begin(self) -> bool:
        await self.mark()
        return True

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._bell.wait()

    async def _ring(self, heard: AsyncIterator[Event]) -> None:
        async for event in heard:
            if event.seq:
                self._bell.set()

    async def _wanted(self) -> bool:
        asked = time.monotonic()
        if self._wants is None or asked - self._asked_at < REFRESH:
            return self._following
        self._asked_at = asked
        try:
            end = await self._store.log_end()
            self._following = await self._wants()
            if not self._following:
                await self._pass(end)
        except BaseException:
            self._asked_at = float("-inf")
            raise
        return self._following

    async def _pass(self, end: str) -> None:
        """Whoever wants something from now on wants what comes behind that."""
        place, self._unwanted = self._place, end
        if not place.ours and time.monotonic() - place.kept_at < IDLE:
            return
        if await place.turn(end):
            place.cursor = end
            await place.leave()

    async def _turn(self) -> bool:
        ours = await self._place.turn(self._unwanted)
        self._unwanted = ""
        return ours

    async def _read(self) -> bool:
        """Hand on what there is; whether there may be more at once."""
        place = self._place
        try:
            page = await self._store.log(after=place.cursor, limit=PAGE)
        except InvalidInput:
            _log.warning(
                "%s: the store's log does not reach as far as it was watched (was a backup "
                "restored?); it is watched from now on",
                self._name,
            )
            place.cursor = await self._store.log_end()
            page = ()
        found = [event for logged in page for event in self._of_types(logged)]
        if found:
            await self._take(found)
        if page:
            place.cursor = page[-1].cursor
        await place.keep()
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
