"""Events from outside and who waits for them. The `Store` port says what is promised.

An event is kept before anybody is told of it, and `untold` until everybody has been: what a
crash cuts off in between is made good by `tell_late`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.errors import ExecutionNotFound, StoreError
from ...graphs.lease import Command
from ...graphs.question import Signal
from ..records import fetch_size, revive
from . import inbox, leases, names, questions
from .database import Conflict, again, where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.question import Question
    from .database import Batch, Database, Found
    from .names import Clock

KEPT = 30 * 24 * 3600.0
"""Seconds after which an event is forgotten."""

_FORGOTTEN_AT_ONCE = 50
_log = logging.getLogger(__name__)


class Sent:
    """An event on its way into the store, encoded when this is made."""

    def __init__(self, signal: Signal) -> None:
        """Raises `StoreError` when it is not JSON."""
        self.signal = signal
        self.document = pack(asdict(signal), f"The event {signal.name!r}")

    def create(self, database: Database, batch: Batch, clock: Clock) -> None:
        fields = {
            "line": _line(self.signal.name, self.signal.at),
            "arrived": clock.next(),
            "at": self.signal.at,
            "untold": time.time(),
            "document": self.document,
        }
        batch.create(place(database, self.signal.id), fields)


def place(database: Database, signal_id: str) -> Any:
    return database.at(names.SIGNALS, names.name(signal_id))


async def send(database: Database, clock: Clock, signal: Signal) -> Sequence[str]:
    batch = database.batch()
    Sent(signal).create(database, batch, clock)
    try:
        await database.commit(batch, f"The event {signal.name!r}")
    except Conflict as conflict:
        if not conflict.unsure:
            return []
    return await tell(database, clock, signal)


async def tell(database: Database, clock: Clock, signal: Signal) -> Sequence[str]:
    """Tell everyone who waits for an event that is kept; the executions."""
    fitting: dict[str, list[Question]] = {}
    for question in await questions.waiting_for(database, signal.name):
        if question.key in (None, signal.key):
            fitting.setdefault(question.execution_id, []).append(question)
    reached = [id for id, asked in fitting.items() if await _told(database, clock, asked, signal)]
    batch = database.batch()
    batch.update(place(database, signal.id), {"untold": None})
    # A signal whose clock is ahead must not end the others.
    old = min(signal.at, time.time()) - KEPT
    query = where(database.all(names.SIGNALS), "at", "<", old).order_by("at").select([])
    for each in await database.find(query.limit(_FORGOTTEN_AT_ONCE)):
        if each.id != names.name(signal.id):
            batch.delete(database.at(names.SIGNALS, each.id))
    with contextlib.suppress(Conflict):  # it was forgotten meanwhile
        await database.commit(batch, f"The event {signal.name!r}")
    return reached


async def tell_late(database: Database, clock: Clock, *, before: float) -> None:
    """Tell of events that were kept before that time, and whose sender did not get so far."""
    query = where(database.all(names.SIGNALS), "untold", "<", before).order_by("untold")
    for found in await database.find(query.limit(_FORGOTTEN_AT_ONCE)):
        try:
            await tell(database, clock, _parse(found))
        except (StoreError, Conflict) as error:
            _log.warning("event %s is told later: %s", found.id, error)


async def listing(database: Database, name: str, key: str | None, since: float) -> Sequence[Signal]:
    query = where(database.all(names.SIGNALS), "line", ">=", _line(name, since))
    query = where(query, "line", "<", names.spread(name, names.LAST)).order_by("line")
    found = sorted(await database.find(query), key=lambda each: (each["at"], each["arrived"]))
    return [
        signal
        for signal in map(_parse, found)
        if signal.name == name and signal.at >= since and key in (None, signal.key)
    ]


async def sent(
    database: Database, since: float, after: Signal | None, limit: int
) -> Sequence[Signal]:
    query = where(database.all(names.SIGNALS), "at", ">=", since if after is None else after.at)
    query = query.order_by("at").order_by("__name__")
    if after is not None:
        query = query.start_after({"at": after.at, "__name__": place(database, after.id)})
    return [_parse(each) for each in await database.find(query.limit(fetch_size(limit) - 1))]


async def _told(
    database: Database, clock: Clock, asked: Sequence[Question], signal: Signal
) -> bool:
    """Whether the execution that asked these questions still has an inbox."""
    what = f"The event {signal.name!r}"
    attempt = 0
    while True:
        try:
            lease = await leases.load(database, asked[0].execution_id)
        except ExecutionNotFound:
            return False
        if lease.ended:
            return True
        batch = database.batch()
        for question in asked:
            data = {"question": question.id, "signal": asdict(signal)}
            inbox.put(database, batch, clock, lease, Command.SIGNAL, data)
        lease.write(database, batch)
        try:
            await database.commit(batch, what)
            return True
        except Conflict:
            await again(attempt, what)
            attempt += 1


def _line(name: str, at: float) -> str:
    milliseconds = int(min(max(at, 0.0), 1e15) * 1000)
    return names.spread(name, names.digits(milliseconds))


def _parse(found: Found) -> Signal:
    what = f"Event {found.id}"
    data = unpack(found["document"], what)
    return revive(lambda: Signal(**data), what)
