"""Which executions somebody should claim. What is promised stands in the `Store` port.

Those that nobody holds say so themselves (`queue_key`); those of dead workers, and those that
wait for a time that has come, are looked through.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from ...graphs.execution import Status
from ..records import fetch_size
from . import inbox, leases, names, questions
from .database import MOST_WRITES, Conflict, where
from .leases import LeaseDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .database import Database, Found
    from .workers import Workers

_BEGUN = (Status.QUEUED.value, Status.RUNNING.value)
_MOST = 100
"""Leases of one dead worker, and due questions, that one sweep looks at."""


async def ready(
    database: Database, workers: Workers, now: float, rung: float, limit: int
) -> Sequence[str]:
    most = fetch_size(limit) - 1
    free, dead = await asyncio.gather(_free(database, most), workers.dead())
    if rung:
        before = workers.now() - timedelta(seconds=rung)
        free = [lease for lease in free if lease.time <= before]
    left = await asyncio.gather(*(_left_by(database, workers, worker) for worker in dead))
    due = await _due(database, workers, now, set(dead))
    found = {lease.execution: lease for each in (free, *left, due) for lease in each}
    return [lease.execution for lease in sorted(found.values(), key=lambda x: x.turn)][:most]


async def _free(database: Database, limit: int) -> list[LeaseDocument]:
    query = database.all(names.LEASES).order_by("queue_key").limit(limit)
    return [leases.read(each) for each in await database.find(query)]


async def _left_by(database: Database, workers: Workers, worker: str) -> list[LeaseDocument]:
    """What a dead worker has left to do. What it has left as it should be is given back for
    it: else it would be looked at by every sweep."""
    of_it = where(database.all(names.LEASES), "worker", "==", worker).limit(_MOST)
    held = [leases.read(each) for each in await database.find(of_it)]
    if not held:
        await workers.bury(worker)
        return []
    mail: dict[str, list[Found]] = {}
    for each in await inbox.of_worker(database, worker):
        mail.setdefault(each["execution"], []).append(each)
    statuses = await _statuses(database, [lease for lease in held if not lease.ended])
    left: list[LeaseDocument] = []
    idle: list[tuple[LeaseDocument, Sequence[Found]]] = []
    for lease in held:
        messages, status = mail.get(lease.name, []), statuses.get(lease.name)
        lease.stop = inbox.holds_stop(messages)
        if not lease.ended and lease.runnable and (messages or status in _BEGUN):
            left.append(lease)
        elif lease.ended or not messages:
            lease.let_go(parked=status in leases.PARKED)
            idle.append((lease, messages[:MOST_WRITES]))
    await asyncio.gather(*(_give_back(database, *each) for each in idle))
    return left


async def _due(
    database: Database, workers: Workers, now: float, dead: set[str]
) -> list[LeaseDocument]:
    """Those that nobody drives, and that wait for a time that has come."""
    query = where(database.all(names.QUESTIONS), "due", "<=", now).order_by("due").limit(_MOST)
    asking: dict[str, list[Found]] = {}
    for each in await database.find(query):
        asking.setdefault(each["execution"], []).append(each)
    places = [database.at(names.LEASES, name) for name in asking]
    found = [leases.read(each) for each in await database.get(*places) if each is not None]
    living = {
        worker: worker not in dead and await workers.alive(worker)
        for worker in {lease.worker for lease in found}
        if worker
    }
    idle = [lease for lease in found if not living.get(lease.worker, False)]
    statuses = await _statuses(database, idle)
    waiting = []
    for lease in idle:
        if statuses.get(lease.name) == Status.WAITING.value and lease.runnable and not lease.ended:
            waiting.append(lease)
        elif not lease.worker:
            await _defer(database, lease, asking[lease.name])
    return waiting


async def _defer(database: Database, lease: LeaseDocument, due: Sequence[Found]) -> None:
    """It is paused, or waits for its slot: its time is looked at when somebody takes it."""
    batch = database.batch()
    questions.defer(database, batch, lease, due)
    # Paused, it goes on when somebody says so; whose turn has come is to be taken.
    lease.mail = lease.mail or lease.queued
    lease.write(database, batch)
    with suppress(Conflict):
        await database.commit(batch, f"Execution {lease.execution}")


async def _give_back(database: Database, lease: LeaseDocument, late: Sequence[Found]) -> None:
    """Unless somebody else was first; what came too late for it is dropped."""
    batch = database.batch()
    lease.write(database, batch)
    for each in late:
        batch.delete(database.at(names.INBOX, each.id))
    with suppress(Conflict):
        await database.commit(batch, f"The lease of execution {lease.execution}")


async def _statuses(database: Database, of: Iterable[LeaseDocument]) -> dict[str, str]:
    places = [database.at(names.EXECUTIONS, lease.name) for lease in of]
    found = await database.get(*places, only=["status"])
    return {each.id: each["status"] for each in found if each is not None}
