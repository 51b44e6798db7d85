"""Which executions somebody should claim. What is promised stands in the `Store` port.

Those that nobody holds say so themselves (`queue_key`); those of dead workers, and those that
wait for a time that has come, are looked through.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...graphs.execution import Status
from ..records import fetch_size
from . import inbox, leases, names
from .database import where
from .leases import LeaseDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .database import Database, Found
    from .workers import Workers

_BEGUN = (Status.QUEUED.value, Status.RUNNING.value)


async def ready(database: Database, workers: Workers, now: float, limit: int) -> Sequence[str]:
    most = fetch_size(limit) - 1
    free, dead = await asyncio.gather(_free(database, most), workers.dead())
    left = await asyncio.gather(*(_left_by(database, workers, worker) for worker in dead))
    due = await _due(database, workers, now, set(dead))
    found = {lease.execution: lease for each in (free, *left, due) for lease in each}
    return [lease.execution for lease in sorted(found.values(), key=lambda x: x.turn)][:most]


async def _free(database: Database, limit: int) -> list[LeaseDocument]:
    query = database.all(names.LEASES).order_by("queue_key").limit(limit)
    return [leases.read(each) for each in await database.find(query)]


async def _left_by(database: Database, workers: Workers, worker: str) -> list[LeaseDocument]:
    """What a dead worker has left to do."""
    held = await database.find(where(database.all(names.LEASES), "worker", "==", worker))
    if not held:
        await workers.bury(worker)
        return []
    mail: dict[str, list[Found]] = {}
    for each in await inbox.of_worker(database, worker):
        mail.setdefault(each["execution"], []).append(each)
    open = [lease for lease in map(leases.read, held) if not lease.ended]
    statuses = await _statuses(database, open)
    left = []
    for lease in open:
        messages = mail.get(lease.name, [])
        lease.stop = inbox.holds_stop(messages)
        if lease.runnable and (messages or statuses.get(lease.name) in _BEGUN):
            left.append(lease)
    return left


async def _due(
    database: Database, workers: Workers, now: float, dead: set[str]
) -> list[LeaseDocument]:
    """Those that nobody drives, and that wait for a time that has come."""
    query = where(database.all(names.QUESTIONS), "due", "<=", now).order_by("due")
    asking = {each["execution"] async for each in database.walk(query)}
    places = [database.at(names.LEASES, name) for name in asking]
    found = [leases.read(each) for each in await database.get(*places) if each is not None]
    living = {
        worker: worker not in dead and await workers.alive(worker)
        for worker in {lease.worker for lease in found}
        if worker
    }
    idle = [
        lease
        for lease in found
        if not lease.ended and lease.runnable and not living.get(lease.worker, False)
    ]
    statuses = await _statuses(database, idle)
    return [lease for lease in idle if statuses.get(lease.name) == Status.WAITING.value]


async def _statuses(database: Database, of: Iterable[LeaseDocument]) -> dict[str, str]:
    places = [database.at(names.EXECUTIONS, lease.name) for lease in of]
    found = await database.get(*places, only=["status"])
    return {each.id: each["status"] for each in found if each is not None}
