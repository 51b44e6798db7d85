"""Firings become executions: one each at most, whoever is killed meanwhile.

A firing that is due is claimed by a change of its row that puts `due` off: whoever dies with it
lets it be due again. It names its execution from birth, so beginning twice is noticed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..graphs.binding import BoundField
from ..graphs.errors import (
    AssayError,
    ConcurrencyLimit,
    ExecutionNotFound,
    FiringNotFound,
    NotPossible,
    StoreError,
    StoreUnavailable,
    TriggerNotFound,
)
from ..graphs.event import EventType
from ..graphs.execution import timestamp
from ..graphs.firing import Firing, FiringStatus, Lane, Trigger, lane_id
from ..graphs.profiles import bounded
from ..graphs.scope import Scope
from ..graphs.stored import AuditEntry
from . import lanes
from .lanes import State
from .payload import scope_of

if TYPE_CHECKING:
    from ..graphs.trigger import BoundTrigger
    from .desk import Desk

HIDDEN = 30.0
"""Seconds for which a firing is left to whoever claimed it."""

LOOK = 2.0
"""Seconds between two looks for firings of which this process has not heard."""

ATTEMPTS = 8
"""How often something that may pass is tried; then the firing is dead."""

DEEPEST = 8
"""How many triggers may stand behind each other in a chain of events."""

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
        self._bell = asyncio.Event()
        self._handed: dict[str, None] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._behind: dict[str, set[str]] = {}
        self._next = 0.0
        self._lanes: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._room = asyncio.Semaphore(AT_ONCE)
        desk.fired = self.ring

    def ring(self, firing: Firing) -> None:
        """Look at the firing when it is due."""
        due = firing.due or 0.0
        if due <= self._desk.now():
            self._handed[firing.id] = None
        else:
            self._next = min(self._next, due)
        self._bell.set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is let go of, and done again by others."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._look())
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Let what is under way end, for so long at most."""
        if self._busy:
            await asyncio.wait([*self._busy.values()], timeout=seconds)

    async def _look(self) -> None:
        while True:
            now = self._desk.now()
            self._next = now + LOOK
            handed, self._handed = self._handed, {}
            try:
                found = [firing.id for firing in await self._desk.store.due_firings(now)]
            except StoreError as error:
                _log.warning("firings cannot be read: %s", error)
                found = []
            for id in dict.fromkeys((*handed, *found)):
                if id not in self._busy:
                    await self._room.acquire()
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
        """Whoever waits for an execution is looked at when it ends."""
        async for event in self._desk.manager.follow():
            if event.type in _ENDED:
                for id in self._behind.pop(event.execution_id, ()):
                    self._handed[id] = None
                    self._bell.set()

    def _begin(self, id: str) -> None:
        task = asyncio.create_task(self._deal(id))
        self._busy[id] = task
        task.add_done_callback(lambda _: self._done(id))

    def _done(self, id: str) -> None:
        self._busy.pop(id, None)
        self._room.release()
        self._bell.set()

    async def _deal(self, id: str) -> None:
        try:
            claimed = await self._claim(id)
        except (FiringNotFound, StoreError) as error:
            _log.warning("firing %s cannot be claimed: %s", id, error)
            return
        if claimed is None:
            return
        try:
            firing = await self._tried(claimed)
        except StoreUnavailable as error:
            firing = self._later(claimed, error)
        except ConcurrencyLimit as error:
            firing = _ended(claimed, FiringStatus.DROPPED, str(error))
        except AssayError as error:
            firing = _ended(claimed, FiringStatus.DEAD, f"{error.code}: {error}")
        except Exception as error:
            _log.exception("firing %s failed", id)
            firing = self._later(claimed, error)
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
            kept, due=now + HIDDEN, attempts=kept.attempts + 1, revision=kept.revision + 1
        )
        return claimed if await self._desk.store.put_firing(claimed) else None

    async def _keep(self, firing: Firing) -> None:
        """Write what came of it. When that fails, it is due again, and comes to the same."""
        if firing.lane and not (firing.status.open or firing.status is FiringStatus.STARTED):
            await self._leave(firing)
        firing = replace(firing, revision=firing.revision + 1)
        try:
            if not await self._desk.store.put_firing(firing):
                return
        except StoreError as error:
            _log.warning("firing %s cannot be written: %s", firing.id, error)
            return
        if firing.due is not None:
            self.ring(firing)
        if firing.status is not FiringStatus.PENDING:
            self._desk.settle(firing)

    def _later(self, firing: Firing, error: Exception) -> Firing:
        if firing.attempts >= ATTEMPTS:
            why = f"given up after {ATTEMPTS} attempts: {error}"
            return _ended(firing, FiringStatus.DEAD, why)
        due = self._desk.now() + min(60.0, 0.5 * 2**firing.attempts)
        return replace(firing, due=due, reason=str(error))

    async def _tried(self, firing: Firing) -> Firing:
        if firing.depth > DEEPEST:
            why = (
                f"more than {DEEPEST} triggers began each other, perhaps in a circle. "
                f"Give one an `if` that ends it: {firing.attributes.get('chain', firing.trigger)}"
            )
            return _ended(firing, FiringStatus.DROPPED, why)
        try:
            trigger = await self._desk.store.trigger(firing.trigger)
        except TriggerNotFound:
            return _ended(firing, FiringStatus.DROPPED, "its trigger is gone")
        bound = await self._desk.bound(trigger)
        scope = scope_of(firing, trigger)
        if bound.when is not None and not firing.lane and not bound.when.render(scope):
            return _ended(firing, FiringStatus.SKIPPED, "`if` was false")
        if (outlet := self.outlets.get(trigger.type)) is not None:
            self._room.release()  # whoever is told may take their time
            try:
                return await outlet(firing, trigger, bound)
            finally:
                await self._room.acquire()
        if not lanes.needs_lane(bound.spec):
            return await self._started(firing, trigger, bound, scope)
        key = "" if bound.key is None else bound.key.text(scope)
        firing = replace(firing, lane=lane_id(trigger.id, key))
        lock = self._lanes.setdefault(firing.lane, asyncio.Lock())
        async with lock:
            return await self._in_turn(firing, trigger, bound, scope)

    async def _in_turn(
        self, firing: Firing, trigger: Trigger, bound: BoundTrigger, scope: Scope
    ) -> Firing:
        while True:
            lane, before = await self._lane(firing, trigger.id)
            state = await self._without_the_gone(before, firing)
            ended = {a.execution for a in state.active if await self._over(a)}
            now = self._desk.now()
            after, verdict = lanes.decide(state, firing, bound.spec, now, ended)
            if after != before and not await self._put(lane, after):
                continue
            match verdict:
                case lanes.Go():
                    started = await self._started(firing, trigger, bound, scope)
                    self._hand_on(after)
                    return started
                case lanes.Drop(reason):
                    return _ended(firing, FiringStatus.DROPPED, reason)
                case lanes.Wait(due, behind):
                    for execution in behind:
                        self._behind.setdefault(execution, set()).add(firing.id)
                    return replace(firing, status=FiringStatus.WAITING, due=due, attempts=0)
                case lanes.Merge(into, carry):
                    if not carry or await self._carried(firing, into, bound):
                        return replace(_ended(firing, FiringStatus.MERGED), into=into)
                case lanes.Stop(executions):
                    for execution in executions:
                        with suppress(ExecutionNotFound, NotPossible):
                            why = f"replaced by firing {firing.id}"
                            await self._desk.manager.stop(execution, why)

    def _hand_on(self, state: State) -> None:
        """Let who is first now know for what it waits."""
        if state.waiting:
            self._handed[state.waiting[0][1]] = None
            self._bell.set()

    async def _lane(self, firing: Firing, trigger: str) -> tuple[Lane, State]:
        kept = await self._desk.store.lane(firing.lane)
        if kept is None:
            return Lane(firing.lane, trigger, timestamp(), revision=-1), State()
        return kept, State.from_dict(kept.document)

    async def _put(self, lane: Lane, state: State) -> bool:
        changed = replace(
            lane, at=timestamp(), document=state.to_dict(), revision=lane.revision + 1
        )
        return await self._desk.store.put_lane(changed)

    async def _without_the_gone(self, state: State, firing: Firing) -> State:
        """Without the head of the queue, if nobody will ever look at it again."""
        while state.waiting and (head := state.waiting[0][1]) != firing.id:
            try:
                if (await self._desk.store.firing(head)).status.open:
                    break
            except FiringNotFound:
                pass
            state = state.without(head)
        return state

    async def _over(self, active: lanes.Active) -> bool:
        """Whether an execution has ended, or will never begin."""
        try:
            return (await self._desk.store.execution(active.execution)).status.terminal
        except ExecutionNotFound:
            pass
        try:
            return not (await self._desk.store.firing(active.firing)).status.open
        except FiringNotFound:
            return True

    async def _carried(self, firing: Firing, into: str, bound: BoundTrigger) -> bool:
        """Let another firing, which waits, take what came with this one; False: it waits no
        more."""
        while True:
            try:
                other = await self._desk.store.firing(into)
            except FiringNotFound:
                return False
            if firing.id in other.merged:
                return True
            if other.status is not FiringStatus.WAITING:
                return False
            both = replace(
                other,
                payload=bound.spec.merged(other.payload, firing.payload),
                merged=(*other.merged, firing.id),
                revision=other.revision + 1,
            )
            if await self._desk.store.put_firing(both):
                return True

    async def _leave(self, firing: Firing) -> None:
        """Nothing of the lane waits for a firing of which nothing began."""
        while (lane := await self._desk.store.lane(firing.lane)) is not None:
            before = State.from_dict(lane.document)
            after = before.without(firing.id)
            if after == before or await self._put(lane, after):
                self._hand_on(after)
                return

    async def _started(
        self, firing: Firing, trigger: Trigger, bound: BoundTrigger, scope: Scope
    ) -> Firing:
        started = _ended(firing, FiringStatus.STARTED)
        try:
            await self._desk.store.execution(firing.execution_id)
            return started
        except ExecutionNotFound:
            pass
        document = await self._desk.store.workflow(trigger.workflow, trigger.version)
        inputs = await self._inputs(bound.inputs, firing, scope, document)
        try:
            await self._desk.manager.start(
                document,
                inputs,
                priority=bound.spec.priority,
                id=firing.execution_id,
                profile=bounded(trigger.profile, firing.profile),
                firing=firing.id,
            )
        except StoreUnavailable:
            raise
        except StoreError:
            # Somebody else may have begun it in this moment.
            await self._desk.store.execution(firing.execution_id)
        await self._audit(firing, trigger)
        return started

    async def _inputs(
        self, given: BoundField | None, firing: Firing, scope: Scope, document: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if given is not None:
            inputs: Mapping[str, Any] = given.render(scope)
            return inputs
        if not isinstance(firing.payload, Mapping):
            return {}
        declared = (await self._desk.manager.load(document)).workflow.inputs
        return {name: firing.payload[name] for name in declared if name in firing.payload}

    async def _audit(self, firing: Firing, trigger: Trigger) -> None:
        await self._desk.store.record(
            AuditEntry(
                timestamp(),
                f"trigger:{trigger.id}",
                "start_execution",
                trigger.workflow,
                rule=f"a {trigger.type} trigger fired" + (f", by {firing.by}" if firing.by else ""),
                data={"firing": firing.id, "execution_id": firing.execution_id},
            )
        )


def _ended(firing: Firing, status: FiringStatus, reason: str = "") -> Firing:
    return replace(firing, status=status, due=None, reason=reason)
