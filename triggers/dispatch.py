"""Firings become executions: one each at most, whoever is killed meanwhile.

A firing that is due is claimed by a change of its row that puts `due` off: whoever dies with it
lets it be due again. It names its execution from birth, so beginning twice is noticed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..graphs.errors import (
    AssayError,
    ConcurrencyLimit,
    StoreError,
    StoreUnavailable,
    TriggerNotFound,
)
from ..graphs.event import EventType
from ..graphs.firing import Firing, FiringStatus, Trigger, lane_id
from . import lanes, turns
from .payload import scope_of
from .starting import start
from .turns import Held, Turns, ended

if TYPE_CHECKING:
    from ..graphs.trigger import BoundTrigger
    from .desk import Desk

LOOK = 2.0
"""Seconds between two looks for firings of which this process has not heard."""

ATTEMPTS = 8
"""How often something that may pass is tried; then the firing is dead."""

DEEPEST = 8
"""How many triggers may stand behind each other in a chain of events."""

PAUSE = 1.0
"""Seconds in which nothing is tried after the store could not write."""

AT_ONCE = 32

_ENDED = frozenset(
    {EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED}
)

_log = logging.getLogger("assay.triggers")

Outlet = Callable[[Firing, Trigger, "BoundTrigger"], Awaitable[Firing]]
"""Does something else with a firing than begin an execution; returns what becomes of it."""


class Dispatcher:
    """Deals with every firing that is due, here or by others' hand. Any number may run."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.outlets: dict[str, Outlet] = {}
        self.takes: Callable[[Firing], bool] = lambda _: True
        self._bell = asyncio.Event()
        self._handed: dict[str, None] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._missed: set[str] = set()
        self._pause = False
        self._draining = asyncio.Event()
        self._next = 0.0
        self._turns = Turns(desk, self._hand)
        self._room = asyncio.Semaphore(AT_ONCE)
        desk.fired = self.ring

    def ring(self, firing: Firing) -> None:
        """Look at the firing when it is due."""
        due = firing.due or 0.0
        if due <= self._desk.now():
            self._hand(firing.id)
        else:
            self._next = min(self._next, due)
            self._bell.set()

    def _hand(self, id: str) -> None:
        """Look at a firing at once; if it is looked at already, then again."""
        if id in self._busy:
            self._missed.add(id)
        else:
            self._handed[id] = None
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is let go of, and done again by others."""
        self._draining.clear()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._look())
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and let what is under way end, for so long at most."""
        self._draining.set()
        if self._busy:
            await asyncio.wait([*self._busy.values()], timeout=seconds)

    async def _look(self) -> None:
        while not self._draining.is_set():
            if self._pause:
                self._pause = False
                await asyncio.sleep(PAUSE)
            now = self._desk.now()
            self._next = now + LOOK
            handed, self._handed = self._handed, {}
            try:
                due = await self._desk.store.due_firings(now)
                found = [firing.id for firing in due if self.takes(firing)]
            except StoreError as error:
                _log.warning("firings cannot be read: %s", error)
                found = []
            for id in dict.fromkeys((*handed, *found)):
                if id not in self._busy:
                    await self._room.acquire()
                    if self._draining.is_set():
                        self._room.release()
                        return
                    self._begin(id)
            if not self._handed:
                await self._rest()

    async def _rest(self) -> None:
        self._bell.clear()
        if self._handed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK, max(0.01, self._next - self._desk.now()))):
                await self._bell.wait()

    async def _listen(self) -> None:
        """Whoever waits for an execution is looked at when it ends; until cancelled."""
        while True:
            try:
                async for event in self._desk.manager.follow():
                    if event.type in _ENDED:
                        self._turns.over(event.execution_id)
            except Exception as error:
                _log.warning("what happens is heard of later: %s", error)
            await asyncio.sleep(PAUSE)

    def _begin(self, id: str) -> None:
        task = asyncio.create_task(self._deal(id))
        self._busy[id] = task
        task.add_done_callback(lambda _: self._done(id))

    def _done(self, id: str) -> None:
        self._busy.pop(id, None)
        self._room.release()
        if id in self._missed:
            self._missed.discard(id)
            self._handed[id] = None
        self._bell.set()

    async def _deal(self, id: str) -> None:
        try:
            claimed = await self._claim(id)
        except AssayError as error:
            self._pause = self._pause or isinstance(error, StoreError)
            _log.warning("firing %s cannot be claimed: %s", id, error)
            return
        if claimed is None:
            return
        held = Held(claimed)
        try:
            firing = await self._tried(held)
        except StoreUnavailable as error:
            firing = self._later(held.firing, error)
        except ConcurrencyLimit as error:
            firing = ended(held.firing, FiringStatus.DROPPED, str(error))
        except AssayError as error:
            firing = ended(held.firing, FiringStatus.DEAD, f"{error.code}: {error}")
        except Exception as error:
            _log.exception("firing %s failed", id)
            firing = self._later(held.firing, error)
        if firing is not None:
            await self._keep(firing)

    async def _claim(self, id: str) -> Firing | None:
        kept = await self._desk.store.firing(id)
        now = self._desk.now()
        if not kept.status.open or kept.due is None:
            return None
        if kept.status is FiringStatus.PENDING and kept.due > now:
            self._next = min(self._next, kept.due)
            return None
        claimed = replace(
            kept, due=now + turns.HIDDEN, attempts=kept.attempts + 1, revision=kept.revision + 1
        )
        return claimed if await self._desk.store.put_firing(claimed) else None

    async def _keep(self, firing: Firing) -> None:
        """Write what came of it. When that fails, it is due again, and comes to the same."""
        began = firing.status is FiringStatus.STARTED
        firing = replace(firing, revision=firing.revision + 1)
        try:
            if firing.lane and not (firing.status.open or began):
                await self._turns.leave(firing)
            while not await self._desk.store.put_firing(firing):
                kept = await self._desk.store.firing(firing.id)
                mine = kept.execution_id == firing.execution_id
                if not (began and mine) or kept.status is FiringStatus.STARTED:
                    return
                # What has begun has begun, whatever somebody else thought of it.
                firing = replace(firing, merged=kept.merged, revision=kept.revision + 1)
        except AssayError as error:
            _log.warning("firing %s cannot be written: %s", firing.id, error)
            return
        if firing.due is not None:
            self.ring(firing)
        if firing.status is not FiringStatus.PENDING:
            self._desk.settle(firing)

    def _later(self, firing: Firing, error: Exception) -> Firing:
        if firing.attempts >= ATTEMPTS:
            why = f"given up after {ATTEMPTS} attempts: {error}"
            return ended(firing, FiringStatus.DEAD, why)
        due = self._desk.now() + min(60.0, 0.5 * 2**firing.attempts)
        return replace(firing, due=due, reason=str(error))

    async def _tried(self, held: Held) -> Firing | None:
        """What becomes of the firing; None when nothing is left to write."""
        firing = held.firing
        if firing.depth > DEEPEST:
            why = (
                f"more than {DEEPEST} triggers began each other, perhaps in a circle. "
                f"Give one an `if` that ends it: {firing.attributes.get('chain', firing.trigger)}"
            )
            return ended(firing, FiringStatus.DROPPED, why)
        try:
            trigger = await self._desk.store.trigger(firing.trigger)
        except TriggerNotFound:
            return ended(firing, FiringStatus.DROPPED, "its trigger is gone")
        bound = await self._desk.bound(trigger)
        scope = scope_of(firing, trigger)
        if bound.when is not None and not firing.lane and not bound.when.render(scope):
            return ended(firing, FiringStatus.SKIPPED, "`if` was false")
        if (outlet := self.outlets.get(trigger.type)) is not None:
            self._room.release()  # whoever is told may take their time
            try:
                return await outlet(firing, trigger, bound)
            finally:
                await self._room.acquire()
        if not lanes.needs_lane(bound.spec):
            await start(self._desk, firing, trigger, bound)
            return ended(firing, FiringStatus.STARTED)
        key = "" if bound.key is None else bound.key.text(scope)
        held.firing = replace(firing, lane=lane_id(trigger.id, key))
        async with self._turns.lock(held.firing.lane):
            turned = await self._turns.take(held, trigger, bound)
            if turned is None or turned.status is not FiringStatus.WAITING:
                return turned
            # Whoever comes next in the lane shall find it waiting.
            await self._keep(turned)
            return None
