"""How an execution begins: its row, its lease, its fence, and the beginning of its journal.

What one commit cannot hold is written ahead by whoever has reserved the id by a fence: each of
those commits fails once another has reserved it. What is promised stands in the `Store` port.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from ...graphs.errors import ConcurrencyLimit, StoreError
from ...graphs.lease import Command, Lease
from ..upkeep import needs_slot
from . import artifacts, executions, inbox, journal, leases, names, questions, slots
from .database import LARGEST, MOST_WRITES, Conflict, again
from .drive import Drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...graphs.execution import Execution
    from ...graphs.stored import Entry
    from ..upkeep import Arrival
    from .database import Batch, Database
    from .leases import LeaseDocument
    from .names import Clock
    from .slots import Queue

_MANY = 100
"""Questions and files with which an execution arrives that the last commit has room for."""
_MUCH = 1_000_000
"""Bytes of them."""
_BROUGHT = 50_000


class Beginning:
    """An execution that begins, encoded when this is made."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        execution: Execution,
        entries: Sequence[Entry],
        worker: str,
        arrival: Arrival | None = None,
    ) -> None:
        """Raises `InvalidInput` for an id that can be none, `StoreError` for what is not JSON."""
        self._database, self._clock = database, clock
        self._execution = execution
        self._worker = worker
        self._row = executions.given(execution)
        # By whoever begins it: whether there is a lease is seen later.
        by = (worker, 0)
        self._entries = [journal.Written(database, execution.id, each, *by) for each in entries]
        self._birth = clock.next()
        reached = 0
        for entry in self._entries:
            if entry.first <= reached:
                raise StoreError(
                    f"Execution {execution.id} cannot begin with entries that overlap; number "
                    "them in order."
                )
            reached = entry.last
        self._last = reached
        self._arrival = arrival
        self._asked = [questions.Asked(each) for each in arrival.questions] if arrival else []
        many = arrival is not None and len(arrival.questions) + len(arrival.artifacts) > _MANY
        much = sum(len(asked.document) for asked in self._asked) > _MUCH // 2
        self._brings_much = many or much
        self._fence_place = database.at(names.FENCES, names.name(execution.id))
        self._fence: Any = None
        """When the fence was written by which this one has reserved the id; None: it has not."""
        self._batch: Batch | None = None

    async def make(self) -> Drive | None:
        """What drives it, if the worker has the lease."""
        ahead = await self._prepare(reserve=self._ahead() > 0 or self._brings_much)
        try:
            return await self._make(ahead)
        except ConcurrencyLimit:
            if self._fence is not None:
                await self._clear()
                batch = self._database.batch()
                batch.delete(self._fence_place, self._fence)
                with contextlib.suppress(Conflict):
                    await self._database.commit(batch, f"Execution {self._execution.id}")
            raise

    async def _make(self, ahead: int) -> Drive | None:
        database, id, attempt = self._database, self._execution.id, 0
        while True:
            worker = names.name(self._worker) if self._worker else ""
            lease = leases.begin(self._execution, self._birth, worker)
            batch = database.batch()
            if self._arrival is not None:
                await self._find_room(batch, lease)
            elif lease.request is not None:
                await self._ask(batch, lease)
            self._fill(batch, lease, ahead)
            try:
                times = await database.commit(batch, f"Execution {id}")
                break
            except Conflict as conflict:
                if conflict.unsure and await self._is_made():
                    begun = [entry.place for entry in self._entries[ahead:]]
                    await database.stamp(begun, f"Execution {id}")  # maybe just now
                    times = None
                    break
            await self._check_new()
            if await self._is_overtaken():
                # By one that has the id reserved, or was cut off when it had.
                ahead = await self._prepare(reserve=True)
            await again(attempt, f"Execution {id}")
            attempt += 1
        if not lease.worker:
            return None
        drive = Drive(database, self._clock, Lease(id, self._worker, 1, self._birth))
        if times is not None:
            lease.time = times[self._lease_at]
            drive.know(lease, times[self._fence_at], self._last, parked=lease.parked)
        return drive

    async def _prepare(self, *, reserve: bool) -> int:
        """Write what one commit cannot hold, which nobody sees before the rest.

        How many of the entries that were.
        """
        if reserve:
            await self._reserve()
            await self._clear()
        await journal.put_parts(self._database, self._entries, LARGEST)
        if not reserve:
            return 0
        ahead = self._ahead()
        for entry in self._entries[:ahead]:
            await self._fenced(entry.put, entry.size)
        if self._brings_much:
            for put in self._brought():
                await self._fenced(put, _BROUGHT)
        await self._fenced()
        return ahead

    def _ahead(self) -> int:
        """How many entries the last commit has no room for."""
        fit = len(self._entries)
        room = LARGEST - len(self._row["given"]) - len(self._row["changing"])
        if self._arrival is not None and not self._brings_much:
            room -= _MUCH
        while fit and sum(entry.size for entry in self._entries[-fit:]) > room:
            fit -= 1
        return len(self._entries) - min(fit, MOST_WRITES // 2)

    async def _reserve(self) -> None:
        """From now on only this one can begin it. Raises `StoreError` when another has."""
        database, attempt = self._database, 0
        if self._fence is not None:
            raise self._overtaken()
        while True:
            (found,) = await database.get(self._fence_place)
            await self._check_new()  # after the fence, which changes when it is made
            batch, fields = database.batch(), {"epoch": 0, "birth": self._birth}
            if found is None:
                batch.create(self._fence_place, fields)
            elif found["birth"] == self._birth:
                self._fence = found.time
                return
            else:
                batch.update(self._fence_place, fields, found.time)
            try:
                (self._fence,) = await database.commit(batch, f"Execution {self._execution.id}")
                return
            except Conflict:
                await again(attempt, f"Execution {self._execution.id}")
                attempt += 1

    async def _clear(self) -> None:
        """Remove what an earlier try has left."""
        id = self._execution.id
        asked = await questions.of_execution(self._database, names.name(id))
        left = [
            *await journal.places(self._database, id),
            *await artifacts.places(self._database, id),
            *(self._database.at(names.QUESTIONS, each.id) for each in asked),
        ]
        for place in left:
            await self._fenced(partial(_delete, place=place))
        await self._fenced()

    async def _fenced(self, write: Callable[[Batch], object] | None = None, size: int = 0) -> None:
        """Add a write to the next commit; commit what there is when it is full, or without one."""
        batch, self._batch = self._batch or self._database.batch(), None
        full = batch.size + size > LARGEST or len(batch) >= MOST_WRITES
        if len(batch) and (write is None or full):
            fenced = batch.update(self._fence_place, {"epoch": 0}, self._fence)
            try:
                times = await self._database.commit(batch, f"Execution {self._execution.id}")
            except Conflict:
                await self._check_new()
                raise self._overtaken() from None
            self._fence = times[fenced]
            batch = self._database.batch()
        if write is not None:
            write(batch)
        self._batch = batch

    def _fill(self, batch: Batch, lease: LeaseDocument, ahead: int) -> None:
        """Everything that begins."""
        database, id = self._database, self._execution.id
        fence = {"epoch": int(bool(lease.worker)), "birth": self._birth}
        if self._fence is None:
            self._fence_at = batch.create(self._fence_place, fence)
        else:
            self._fence_at = batch.update(self._fence_place, fence, self._fence)
        if self._arrival is not None:
            for message in self._arrival.messages:
                inbox.put(database, batch, self._clock, lease, message.command, message.data)
        self._lease_at = lease.create(database, batch)
        batch.create(executions.place(database, id), self._row)
        for number, entry in enumerate(self._entries[ahead:]):
            entry.create(batch, follows=ahead > 0 and number == 0)
        for put in () if self._brings_much else self._brought():
            put(batch)

    def _brought(self) -> Iterator[Callable[[Batch], object]]:
        """The questions and the files of an execution that arrives."""
        database = self._database
        for asked in self._asked:
            place = questions.place(database, asked.question.id)
            fields = asked.fields(asked.question.revision, self._clock.next())
            yield partial(_put, place=place, fields=fields)
        for artifact in self._arrival.artifacts if self._arrival else ():
            fields = artifacts.fields(artifact, self._clock.next())
            yield partial(artifacts.create, database, fields=fields)

    async def _find_room(self, batch: Batch, lease: LeaseDocument) -> None:
        """For one that arrives, and stops nobody. Raises `ConcurrencyLimit`."""
        wanted = needs_slot(self._execution)
        if wanted is None:
            return
        queue = await slots.load(self._database, wanted.of.key)
        if not queue.enter(lease, wanted.of):
            if wanted.strict:
                raise ConcurrencyLimit(wanted.taken(self._execution))
            lease.queued = True
        queue.write(self._database, batch)

    async def _ask(self, batch: Batch, lease: LeaseDocument) -> None:
        """For a slot. Raises `ConcurrencyLimit` when it is taken and one is to be refused."""
        request = lease.request
        assert request is not None
        await self._check_new()
        queue = await slots.load(self._database, request.key)
        free = queue.free(request, lease.priority)
        if not free and request.overflow == "reject":
            raise ConcurrencyLimit(
                f"All {request.limit} slots of {request.key!r} are taken; try again when an "
                "execution of it has ended, or let it queue (overflow: queue)."
            )
        if not free:
            lease.worker, lease.queued = "", True
        if not free and request.overflow == "replace":
            await self._displace(batch, queue)
        queue.enter(lease, request)
        queue.write(self._database, batch)

    async def _displace(self, batch: Batch, queue: Queue) -> None:
        """Tell whoever holds the key, or waits for it, to stop, once."""
        database = self._database
        places = [database.at(names.LEASES, names.name(id)) for id in queue.displaced()]
        for found in await database.get(*places):
            if found is None:
                continue
            other = leases.read(found)
            if other.ended:
                continue
            inbox.put(database, batch, self._clock, other, Command.STOP, {})
            other.write(database, batch)

    async def _check_new(self) -> None:
        """Raises `StoreError` when its id exists."""
        id = self._execution.id
        if await executions.status(self._database, id) is not None:
            raise StoreError(f"Execution {id} exists already; begin it under another id.")

    async def _is_made(self) -> bool:
        """It was, by a try whose answer was lost."""
        place: Any = self._database.at(names.LEASES, names.name(self._execution.id))
        (found,) = await self._database.get(place)
        return found is not None and bool(found["birth"] == self._birth)

    async def _is_overtaken(self) -> bool:
        (found,) = await self._database.get(self._fence_place)
        return (self._fence is not None) if found is None else found["birth"] != self._birth

    def _overtaken(self) -> StoreError:
        return StoreError(
            f"Execution {self._execution.id} is begun by another at the same time, which goes "
            "first; begin this one under another id."
        )


def _put(batch: Batch, *, place: Any, fields: dict[str, Any]) -> None:
    batch.put(place, fields)


def _delete(batch: Batch, *, place: Any) -> None:
    batch.delete(place)
