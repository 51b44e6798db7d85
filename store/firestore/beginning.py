"""How an execution begins: its row, its lease, its fence, and the beginning of its journal.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.errors import ConcurrencyLimit, StoreError
from ...graphs.lease import Command, Lease
from . import executions, inbox, journal, leases, names, slots
from .database import LARGEST, MOST_WRITES, Conflict, again
from .drive import Drive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.execution import Execution
    from ...graphs.stored import Entry
    from .database import Batch, Database
    from .leases import LeaseDocument
    from .names import Clock
    from .slots import Queue


class Beginning:
    """An execution that begins, encoded when this is made."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        execution: Execution,
        entries: Sequence[Entry],
        worker: str,
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

    async def make(self) -> Drive | None:
        """What drives it, if the worker has the lease."""
        ahead = await self._put_ahead()
        try:
            return await self._make(self._entries[ahead:])
        except ConcurrencyLimit:
            await self._database.clear([entry.place for entry in self._entries[:ahead]])
            raise

    async def _make(self, entries: Sequence[journal.Written]) -> Drive | None:
        database, id, attempt = self._database, self._execution.id, 0
        while True:
            worker = names.name(self._worker) if self._worker else ""
            lease = leases.begin(self._execution, self._birth, worker)
            batch = database.batch()
            if lease.request is not None:
                await self._ask(batch, lease)
            self._fill(batch, lease, entries)
            try:
                times = await database.commit(batch, f"Execution {id}")
                break
            except Conflict as conflict:
                if conflict.unsure and await self._is_made():
                    times = None
                    break
            await self._check_new()
            await again(attempt, f"Execution {id}")
            attempt += 1
        if not lease.worker:
            return None
        drive = Drive(database, self._clock, Lease(id, self._worker, 1, self._birth))
        if times is not None:
            lease.time = times[self._lease_at]
            drive.know(lease, times[self._fence_at], self._last, parked=lease.parked)
        return drive

    async def _put_ahead(self) -> int:
        """Write what one commit cannot hold, which nobody sees before the rest; how many."""
        await journal.put_parts(self._database, self._entries, LARGEST)
        fit = len(self._entries)
        room = LARGEST - len(self._row["given"]) - len(self._row["changing"])
        while fit and sum(entry.size for entry in self._entries[-fit:]) > room:
            fit -= 1
        ahead = len(self._entries) - min(fit, MOST_WRITES)
        if ahead:
            await self._check_new()
        batch = self._database.batch()
        for entry in self._entries[:ahead]:
            if batch.size + entry.size > LARGEST or len(batch) >= MOST_WRITES:
                await self._database.commit(batch, f"Execution {self._execution.id}")
                batch = self._database.batch()
            entry.put(batch)
        if len(batch):
            await self._database.commit(batch, f"Execution {self._execution.id}")
        return ahead

    def _fill(self, batch: Batch, lease: LeaseDocument, entries: Sequence[journal.Written]) -> None:
        """Everything that begins."""
        database, id = self._database, self._execution.id
        fence = {"epoch": int(bool(lease.worker)), "birth": self._birth}
        self._fence_at = batch.create(database.at(names.FENCES, names.name(id)), fence)
        self._lease_at = lease.create(database, batch)
        batch.create(executions.place(database, id), self._row)
        for entry in entries:
            entry.create(batch)

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
        place: Any = self._database.at(names.FENCES, names.name(self._execution.id))
        (found,) = await self._database.get(place)
        return found is not None and bool(found["birth"] == self._birth)
