"""Firings of one lane take turns: what `lanes` decides is done here, durably."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..graphs.errors import ExecutionNotFound, FiringNotFound, NotPossible
from ..graphs.execution import timestamp
from ..graphs.firing import Firing, FiringStatus, Lane, Trigger
from ..graphs.profiles import bounded
from . import lanes
from .lanes import State
from .starting import start

if TYPE_CHECKING:
    from ..graphs.trigger import BoundTrigger
    from .desk import Desk

HIDDEN = 30.0
"""Seconds for which a firing is left to whoever claimed it."""


@dataclass(slots=True)
class Held:
    """A firing that was claimed here, as its row is now."""

    firing: Firing


class Turns:
    """Any number of processes may decide at once: a lane changes by its revision.

    `hand` is told the id of a firing that may have its turn now.
    """

    def __init__(self, desk: Desk, hand: Callable[[str], None]) -> None:
        self._desk = desk
        self._hand = hand
        self._behind: dict[str, set[str]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, lane: str) -> asyncio.Lock:
        """Held while a firing of the lane takes its turn, and until it is written that it waits."""
        return self._locks.setdefault(lane, asyncio.Lock())

    def over(self, execution_id: str) -> None:
        """An execution has ended: whoever waits for it is looked at."""
        for id in self._behind.pop(execution_id, ()):
            self._hand(id)

    async def take(self, held: Held, trigger: Trigger, bound: BoundTrigger) -> Firing | None:
        """What becomes of the firing; None when somebody else deals with it."""
        if await self._stood_for(held.firing):
            return ended(held.firing, FiringStatus.MERGED)
        stopped = set[str]()
        while True:
            firing = held.firing
            lane, before = await self._lane(firing, trigger.id)
            if firing.attempts > 1 and await self._ended(firing.execution_id) is not None:
                # Who began it could not say so. Others may have had their turn since.
                return ended(firing, FiringStatus.STARTED)
            state = await self._without_the_gone(before, firing)
            gone = {a.execution for a in state.active if await self._over(a)}
            now = self._desk.now()
            after, verdict = lanes.decide(state, firing, bound.spec, now, gone)
            if after != before and not await self._put(lane, after):
                continue
            for execution in gone:
                self._behind.pop(execution, None)
            match verdict:
                case lanes.Go():
                    if bound.spec.overlap == "merge" and not await self._sealed(held):
                        return None
                    await start(self._desk, held.firing, trigger, bound)
                    self._hand_on(after)
                    return ended(held.firing, FiringStatus.STARTED)
                case lanes.Drop(reason):
                    return ended(firing, FiringStatus.DROPPED, reason)
                case lanes.Wait(due, behind):
                    return self._waits(firing, due, behind)
                case lanes.Merge(into, False):
                    return replace(ended(firing, FiringStatus.MERGED), into=into)
                case lanes.Merge(into):
                    if firing.into != into and not await self._write(held, into=into):
                        return None
                    if (done := await self._carried(held.firing, into, bound)) is not None:
                        return done
                case lanes.Stop(executions) if stopped.issuperset(executions):
                    # It has yet to begin, or cannot be stopped.
                    return self._waits(firing, now + lanes.HEAD, executions)
                case lanes.Stop(executions):
                    stopped.update(executions)
                    for execution in executions:
                        with suppress(ExecutionNotFound, NotPossible):
                            why = f"replaced by firing {firing.id}"
                            await self._desk.manager.stop(execution, why)

    async def leave(self, firing: Firing) -> None:
        """Nothing of the lane waits for a firing of which nothing began."""
        while (lane := await self._desk.store.lane(firing.lane)) is not None:
            before = State.from_dict(lane.document)
            after = before.without(firing.id)
            if after == before or await self._put(lane, after):
                self._hand_on(after)
                return

    def _waits(self, firing: Firing, due: float, behind: Collection[str] = ()) -> Firing:
        for execution in behind:
            self._behind.setdefault(execution, set()).add(firing.id)
        return replace(firing, status=FiringStatus.WAITING, due=due, attempts=0, into="")

    def _hand_on(self, state: State) -> None:
        """Let who is first now know for what it waits."""
        if state.waiting:
            self._hand(state.waiting[0][1])

    async def _lane(self, firing: Firing, trigger: str) -> tuple[Lane, State]:
        kept = await self._desk.store.lane(firing.lane)
        if kept is None:
            return Lane(firing.lane, trigger, timestamp(), revision=-1), State()
        return kept, State.from_dict(kept.document)

    async def _put(self, lane: Lane, state: State) -> bool:
        before = State.from_dict(lane.document).active
        changed = replace(
            lane,
            at=timestamp(),
            document=state.to_dict(),
            lasting=lane.lasting and any(active in state.active for active in before),
            revision=lane.revision + 1,
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
        if (over := await self._ended(active.execution)) is not None:
            return over
        try:
            firing = await self._desk.store.firing(active.firing)
        except FiringNotFound:
            return True
        if firing.status.open and firing.execution_id == active.execution:
            return False
        # Between the two looks it may have begun.
        return await self._ended(active.execution) is not False

    async def _ended(self, execution_id: str) -> bool | None:
        """None: there is no such execution."""
        try:
            return (await self._desk.store.execution(execution_id)).status.terminal
        except ExecutionNotFound:
            return None

    async def _sealed(self, held: Held) -> bool:
        """Have nothing more merged into the firing, which begins; False: it has begun."""
        while not await self._write(
            held, status=FiringStatus.PENDING, due=self._desk.now() + HIDDEN, into=""
        ):
            kept = await self._desk.store.firing(held.firing.id)
            if not kept.status.open:
                return False
            held.firing = kept
        return True

    async def _stood_for(self, firing: Firing) -> bool:
        """Whether it was merged into another before somebody died who could not write it down."""
        if not firing.into:
            return False
        try:
            return firing.id in (await self._desk.store.firing(firing.into)).merged
        except FiringNotFound:
            return False

    async def _carried(self, firing: Firing, into: str, bound: BoundTrigger) -> Firing | None:
        """What becomes of a firing when another, which waits, takes what came with it; None when
        that waits no more."""
        while True:
            try:
                other = await self._desk.store.firing(into)
            except FiringNotFound:
                return None
            if firing.id in other.merged:
                return ended(firing, FiringStatus.MERGED)
            if other.status is FiringStatus.PENDING:
                return self._waits(firing, self._desk.now() + lanes.HEAD)
            if other.status is not FiringStatus.WAITING:
                return None
            both = replace(
                other,
                payload=bound.spec.merged(other.payload, firing.payload),
                merged=(*other.merged, firing.id)[-lanes.LONGEST :],
                profile=bounded(other.profile, firing.profile),
                revision=other.revision + 1,
            )
            if await self._desk.store.put_firing(both):
                return ended(firing, FiringStatus.MERGED)

    async def _write(self, held: Held, **changes: Any) -> bool:
        changed = replace(held.firing, **changes, revision=held.firing.revision + 1)
        if not await self._desk.store.put_firing(changed):
            return False
        held.firing = changed
        return True


def ended(firing: Firing, status: FiringStatus, reason: str = "") -> Firing:
    """The firing with what has come of it for good."""
    return replace(firing, status=status, due=None, reason=reason)
