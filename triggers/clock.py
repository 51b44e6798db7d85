"""Fires cron triggers when they are due, once each, in however many processes it runs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from ..graphs.errors import AssayError, InvalidInput, NotPossible
from ..graphs.firing import Firing, Trigger
from ..graphs.listing import every
from ..graphs.units import format_time
from .cron import CronTrigger, delay, missed

if TYPE_CHECKING:
    from .desk import Desk
    from .service import TriggerService

LOOK = 5.0
"""Seconds between two looks for triggers that other processes have made."""

GRACE = 30.0
"""Seconds after which a time that nobody fired counts as missed."""

MADE_UP = 1000
"""Times that are made up for at most, and that one backfill fires at most."""

_AT_ONCE = 16

_log = logging.getLogger("assay.triggers")


def tick(service: TriggerService) -> None:
    """Have cron triggers fired while the service runs."""
    clock = Clock(service.desk)
    service.add("clock", clock.run)
    service.on_change(clock.ring)


class Clock:
    """Needs no leader: a firing is named by the time that it was due, so that whoever writes
    it down first has fired it, and the others find it there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._bell = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._told: dict[str, str] = {}

    def ring(self) -> None:
        """Look at once: a trigger was changed."""
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled. Raises `StoreError`; begun again it has missed nothing."""
        while True:
            self._bell.clear()
            seconds = await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._bell.wait()

    async def look(self) -> float:
        """Fire what is due; seconds until something may be due again. Raises `StoreError`."""
        now = self._desk.now()
        near = [t async for t in every(self._desk.store.triggers, due=now + LOOK)]
        come = [
            trigger for trigger in near if trigger.next_at is not None and trigger.next_at <= now
        ]
        later = [trigger.next_at for trigger in near if trigger.next_at and trigger.next_at > now]
        # Others look at the same moment: each begins somewhere else.
        random.shuffle(come)
        next = await asyncio.gather(*(self._turn(trigger, now) for trigger in come))
        later += [moment for moment in next if moment is not None]
        return max(0.0, min([*later, now + LOOK]) - self._desk.now())

    async def _turn(self, trigger: Trigger, now: float) -> float | None:
        """Fire the times that have come; when the next one does, if that is known."""
        try:
            async with self._room:
                moved = await self._fired(trigger, now)
        except AssayError as error:
            # What nobody can read, or the store cannot take, is tried again by the next look.
            if self._told.get(trigger.id) != str(error):
                self._told[trigger.id] = str(error)
                _log.warning("trigger %s cannot be fired: %s", trigger.id, error)
            return None
        self._told.pop(trigger.id, None)
        return moved

    async def _fired(self, trigger: Trigger, now: float) -> float | None:
        spec = await self._desk.spec(trigger)
        if not isinstance(spec, CronTrigger) or trigger.next_at is None:
            return None
        times = _come(spec, trigger, now)
        for due in _chosen(spec, times, now):
            begin = None if spec.jitter is None else due + delay(spec, trigger.id, due)
            await self._desk.fire(trigger, _payload(spec, due), id=format_time(due), due=begin)
        next_at = spec.after(now)
        memory = {**trigger.memory, "last": format_time(times[-1])} if times else trigger.memory
        moved = replace(trigger, next_at=next_at, memory=memory, revision=trigger.revision + 1)
        # Somebody else may have moved it, or changed it: then it is read again soon.
        return next_at if await self._desk.store.put_trigger(moved) else now + 1


async def backfill(
    desk: Desk, trigger: Trigger, start: float, end: float, *, by: str = "", profile: str = ""
) -> Sequence[Firing]:
    """Fire it for each time that was due from `start` to `end`, seconds since 1970, whether it
    was fired then or not. The same time is backfilled once, however often it is asked for.

    Raises `InvalidInput` for a range that has not passed or holds more than 1,000 times,
    `NotPossible` for a trigger that is switched off or that the clock does not fire.
    """
    spec = await desk.spec(trigger)
    if not isinstance(spec, CronTrigger):
        raise NotPossible(
            f"{trigger.id!r} is a {trigger.type} trigger; only those of the clock have a past"
        )
    if not start <= end <= desk.now():
        raise InvalidInput(
            "a backfill goes from a time to a later one that has passed, not from "
            f"{format_time(start)} to {format_time(end)}"
        )
    begin, until = spec.span(-(-start // 1) - 1, end)
    times = list(islice(spec.table().between(begin, until), MADE_UP + 1))
    if len(times) > MADE_UP:
        raise InvalidInput(
            f"{trigger.id!r} was due more than {MADE_UP} times from {format_time(start)} to "
            f"{format_time(end)}; backfill a part, {format_time(times[-2])} is the last that fits"
        )
    return [
        await desk.fire(
            trigger, _payload(spec, due), id=f"backfill/{format_time(due)}", by=by, profile=profile
        )
        for due in times
    ]


def _come(spec: CronTrigger, trigger: Trigger, now: float) -> Sequence[float]:
    """The times that have come since somebody looked: as many as are ever fired."""
    assert trigger.next_at is not None
    limit = MADE_UP if spec.catch_up == "all" else int(GRACE) + 1
    times = missed(spec, trigger.next_at - 1, now, limit)
    if spec.catch_up == "all" and len(times) == limit:
        first = spec.after(trigger.next_at - 1)
        if first is not None and first < times[0]:
            _log.warning(
                "trigger %s: the times from %s until before %s are not made up for: %s are at most",
                trigger.id,
                format_time(first),
                format_time(times[0]),
                limit,
            )
    return times


def _chosen(spec: CronTrigger, times: Sequence[float], now: float) -> Sequence[float]:
    in_time = [due for due in times if now - due <= GRACE]
    match spec.catch_up:
        case "all":
            return times
        case "one":
            return in_time or times[-1:]
    return in_time


def _payload(spec: CronTrigger, due: float) -> dict[str, str]:
    return {
        "due": format_time(due),
        "scheduled_at": spec.table().local(due).isoformat(),
        "timezone": spec.timezone,
    }
