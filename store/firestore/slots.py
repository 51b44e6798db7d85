"""Units of concurrency keys: who holds one, who waits, whose turn it is.

All of a key is one document, which is compared and set together with the leases of those whose
turn it becomes. What is promised stands in the `Store` port.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ...graphs.execution import timestamp
from ...graphs.lease import Slot
from . import leases, names
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.lease import SlotRequest
    from .database import Batch, Database, Found
    from .leases import LeaseDocument


@dataclass(slots=True)
class Unit:
    """One unit, held or waited for. `size`: how many may be held at once, says this one."""

    execution: str
    workflow: str
    priority: int
    size: int
    turn: int
    since: str
    told: bool = False
    """It has been told to make room."""


@dataclass(slots=True)
class Queue:
    """A key. After every change nobody waits for a unit that is free."""

    key: str
    held: list[Unit] = field(default_factory=list)
    waiting: list[Unit] = field(default_factory=list)
    turns: int = 0
    time: Any = None

    def free(self, request: SlotRequest, priority: int) -> bool:
        """Would a request that is made now be met at once?"""
        before = any(unit.priority >= priority for unit in self.waiting)
        return not before and len(self.held) < request.limit

    def enter(self, lease: LeaseDocument, request: SlotRequest) -> bool:
        """Give the execution a unit, or its place in the queue; True when it holds one."""
        free = self.free(request, lease.priority)
        self.turns += 1
        unit = Unit(
            lease.execution,
            lease.workflow,
            lease.priority,
            request.limit,
            self.turns,
            timestamp(),
        )
        (self.held if free else self.waiting).append(unit)
        self._sort()
        return free

    def has(self, execution: str) -> bool | None:
        """Whether it holds a unit; None when it does not even wait for one."""
        if any(unit.execution == execution for unit in self.held):
            return True
        return False if any(unit.execution == execution for unit in self.waiting) else None

    def leave(self, execution: str) -> bool:
        """Give its unit, or its place, to whoever is next; False when it has none."""
        if self.has(execution) is None:
            return False
        self.held = [unit for unit in self.held if unit.execution != execution]
        self.waiting = [unit for unit in self.waiting if unit.execution != execution]
        while self.waiting and len(self.held) < self.waiting[0].size:
            unit = self.waiting.pop(0)
            unit.since = timestamp()
            self.held.append(unit)
        self._sort()
        return True

    def displaced(self) -> list[str]:
        """Who is to be told to make room, once."""
        untold = [unit for unit in (*self.held, *self.waiting) if not unit.told]
        for unit in untold:
            unit.told = True
        return [unit.execution for unit in untold]

    def write(self, database: Database, batch: Batch) -> None:
        parts = {"held": self.held, "waiting": self.waiting}
        units = {part: [asdict(unit) for unit in each] for part, each in parts.items()}
        data = pack({"key": self.key, "turns": self.turns, **units}, f"The queue of {self.key!r}")
        place = database.at(names.SLOTS, names.name(self.key))
        if self.time is None:
            batch.create(place, {"data": data})
        elif not self.held and not self.waiting:
            batch.delete(place, self.time)
        else:
            batch.update(place, {"data": data}, self.time)

    def listing(self) -> list[Slot]:
        return [
            Slot(self.key, unit.execution, unit.workflow, held, unit.since, unit.priority)
            for held, units in ((True, self.held), (False, self.waiting))
            for unit in units
        ]

    def _sort(self) -> None:
        self.held.sort(key=lambda unit: unit.turn)
        self.waiting.sort(key=lambda unit: (-unit.priority, unit.turn))


async def load(database: Database, key: str) -> Queue:
    (found,) = await database.get(database.at(names.SLOTS, names.name(key)))
    return Queue(key) if found is None else _read(found)


async def listing(database: Database, key: str | None) -> Sequence[Slot]:
    if key is not None:
        return (await load(database, key)).listing()
    every = database.all(names.SLOTS).order_by("__name__")
    found = [_read(each) for each in await database.find(every)]
    return [slot for each in sorted(found, key=lambda q: q.key) for slot in each.listing()]


async def turn(database: Database, batch: Batch, queue: Queue, execution_id: str) -> list[str]:
    """Let the execution leave the queue, and wake those whose turn it is now; their ids."""
    before = {unit.execution for unit in queue.held}
    if not queue.leave(execution_id):
        return []
    queue.write(database, batch)
    promoted = [unit.execution for unit in queue.held if unit.execution not in before]
    places = [database.at(names.LEASES, names.name(id)) for id in promoted]
    for found in await database.get(*places):
        if found is not None:
            lease = leases.read(found)
            lease.queued = False
            lease.write(database, batch)
    return promoted


def _read(found: Found) -> Queue:
    data = unpack(found["data"], f"The queue {found.id}")
    held, waiting = ([Unit(**unit) for unit in data[part]] for part in ("held", "waiting"))
    return Queue(data["key"], held, waiting, data["turns"], found.time)
