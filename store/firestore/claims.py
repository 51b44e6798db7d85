"""Taking the right to drive an execution over. What is promised stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.lease import Lease
from . import inbox, leases, names, questions, slots
from .database import Conflict, again
from .drive import Drive

if TYPE_CHECKING:
    from .database import Batch, Database
    from .leases import LeaseDocument
    from .names import Clock
    from .workers import Workers


async def claim(
    database: Database,
    clock: Clock,
    workers: Workers,
    execution_id: str,
    worker: str,
    *,
    slotless: bool,
) -> Drive | None:
    name, taker = names.name(execution_id), names.name(worker)
    attempt = 0
    while True:
        lease_at, fence_at = database.at(names.LEASES, name), database.at(names.FENCES, name)
        found, fence = await database.get(lease_at, fence_at)
        if found is None or fence is None:
            raise leases.not_found(execution_id)
        lease = leases.read(found)
        if lease.ended:
            return None
        if lease.worker not in ("", taker) and await workers.alive(lease.worker):
            return None
        # Looked into after the lease was read: a message that comes later changes the lease.
        mail = await inbox.of_execution(database, name)
        lease.take(taker, mail=bool(mail), stop=inbox.holds_stop(mail))
        batch = database.batch()
        taken = slotless or lease.stop or await _has_slot(database, batch, lease)
        if not taken:
            # A lease without the slot would keep everyone else from it when its turn comes.
            lease.worker, lease.queued = "", True
            if lease == leases.read(found):
                return None
        epoch = fence["epoch"] + 1
        if taken and lease.deferred:
            await questions.make_due(database, batch, lease.deferred)
            lease.deferred = ()
        written = lease.write(database, batch)
        inbox.restamp(database, batch, mail, lease.worker)
        fenced = batch.update(fence_at, {"epoch": epoch}, fence.time) if taken else 0
        try:
            times = await database.commit(batch, f"The lease of execution {execution_id}")
        except Conflict:
            await again(attempt, f"The lease of execution {execution_id}")
            attempt += 1
            continue
        if not taken:
            return None
        lease.time = times[written]
        drive = Drive(database, clock, Lease(execution_id, worker, epoch, lease.birth))
        drive.know(lease, times[fenced], None, {int(each["number"]) for each in mail})
        return drive


async def holder(database: Database, workers: Workers, execution_id: str) -> str | None:
    lease = await leases.load(database, execution_id)
    return lease.worker if lease.worker and await workers.alive(lease.worker) else None


async def _has_slot(database: Database, batch: Batch, lease: LeaseDocument) -> bool:
    """Does it hold the slot that it needs? It is given one, or a place, if it has neither."""
    if lease.request is None:
        return True
    queue = await slots.load(database, lease.request.key)
    has = queue.has(lease.execution)
    if has is None:
        has = queue.enter(lease, lease.request)
        queue.write(database, batch)
    if has:
        lease.queued = False
    return has
