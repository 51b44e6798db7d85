"""Who may drive an execution: beginning one, taking one over, finding one without a driver.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...graphs.errors import ConcurrencyLimit, StoreError
from ...graphs.execution import Execution, Status
from ...graphs.lease import Lease, SlotRequest
from ..records import checked, decode, encode, fetch_size
from . import bulk, executions, inbox, journal, slots
from .writer import Joint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from ...graphs.stored import Entry

# Many may wait, few are told anything or are due: those are looked through (CROSS JOIN).
_READY = """
    WITH candidates (key) AS (
        SELECT key FROM executions WHERE status IN ('queued', 'running')
        UNION SELECT i.execution FROM inbox i CROSS JOIN executions e ON e.key = i.execution
            WHERE e.status IN ('waiting', 'paused')
        UNION SELECT q.execution FROM questions q INDEXED BY questions_by_due
            CROSS JOIN executions e ON e.key = q.execution
            WHERE q.status = 'open' AND q.due <= :now AND e.status = 'waiting'
    )
    SELECT e.id FROM candidates JOIN executions e USING (key)
        LEFT JOIN slots s ON s.execution = e.key
    WHERE (e.worker IS NULL OR e.worker NOT IN (SELECT value FROM json_each(:living)))
        AND (ifnull(s.held, 1) OR EXISTS
            (SELECT 1 FROM inbox i WHERE i.execution = e.key AND i.command = 'stop'))
    ORDER BY e.priority DESC, e.key LIMIT :limit
"""
_CREATE = (
    "INSERT INTO executions (key, epoch, worker, status, priority, id, workflow, digest, slot,"
    " changing, given) WITH new (key, epoch, worker, status, priority, id, workflow, digest, slot,"
    " changing, given) AS (VALUES) SELECT * FROM new WHERE key IS NOT NULL"
    " ON CONFLICT (id) DO NOTHING"
)


def beginning(execution: Execution, entries: Sequence[Entry], worker: str) -> Beginning | Contest:
    """An execution that begins, as a work, encoded so that nothing can change it afterwards.

    Raises `InvalidInput` for an id that can be none, `StoreError` for what is not JSON.
    """
    begun = Beginning(execution, entries, worker)
    if execution.slot is None or execution.status.terminal:
        return begun  # what has ended comes from an export: it needs no slot
    return Contest(begun, execution.slot)


class Beginning(Joint):
    """An execution that begins without a slot."""

    __slots__ = ("entries", "id", "priority", "row", "worker")

    def __init__(self, execution: Execution, entries: Sequence[Entry], worker: str) -> None:
        slot = execution.slot
        self.id = checked(execution.id, "The execution's id")
        for entry in entries:
            journal.check(execution.id, entry)
        self.priority = execution.priority
        self.worker = worker
        self.entries = tuple(entries)
        self.row = (
            execution.status.value,
            execution.priority,
            execution.id,
            execution.workflow,
            execution.digest,
            None if slot is None else encode(slot.to_dict(), f"The slot of {execution.id}"),
            executions.changing(execution),
            executions.given(execution),
        )

    def __call__(self, connection: sqlite3.Connection) -> Lease | None:
        return self.begin(connection, self.worker)[1]

    def begin(self, connection: sqlite3.Connection, worker: str) -> tuple[int, Lease | None]:
        """Its key, and the worker's lease if there is a worker."""
        self.check_new(connection)
        key = _last_key(connection) + 1
        if not _begin(connection, [(key, worker, self)]):
            raise StoreError(
                f"Execution {self.id} cannot begin with entries that overlap; number them in order."
            )
        return key, Lease(self.id, worker, 1, key) if worker else None

    def check_new(self, connection: sqlite3.Connection) -> None:
        """Raises `StoreError` when its id exists."""
        if connection.execute("SELECT 1 FROM executions WHERE id = ?", (self.id,)).fetchone():
            raise StoreError(f"Execution {self.id} exists already; begin it under another id.")

    @staticmethod
    def together(
        connection: sqlite3.Connection, works: Sequence[Beginning]
    ) -> Sequence[Lease | None] | None:
        keys = range(_last_key(connection) + 1, sys.maxsize)
        begun = [(key, work.worker, work) for key, work in zip(keys, works, strict=False)]
        if not _begin(connection, begun):
            return None
        return [Lease(w.id, worker, 1, key) if worker else None for key, worker, w in begun]


class Contest:
    """An execution that begins with a request for a slot."""

    def __init__(self, begun: Beginning, request: SlotRequest) -> None:
        self._begun = begun
        self._request = request

    def __call__(self, connection: sqlite3.Connection) -> Lease | None:
        begun, request = self._begun, self._request
        begun.check_new(connection)
        free = slots.free(connection, request, begun.priority)
        if not free and request.overflow == "reject":
            raise ConcurrencyLimit(
                f"All {request.limit} slots of {request.key!r} are taken; try again when an "
                "execution of it has ended, or let it queue (overflow: queue)."
            )
        key, lease = begun.begin(connection, begun.worker if free else "")
        slots.enter(connection, key, request, begun.priority)
        if not free and request.overflow == "replace":
            slots.displace(connection, request.key, key)
        return lease


def claim(
    connection: sqlite3.Connection,
    execution_id: str,
    worker: str,
    alive: Callable[[str], bool],
    *,
    slotless: bool,
) -> Lease | None:
    row = connection.execute(
        "SELECT key, epoch, worker, status, priority, slot FROM executions WHERE id = ?",
        (execution_id,),
    ).fetchone()
    if row is None:
        raise executions.not_found(execution_id)
    key, epoch, holder, status, priority, slot = row
    if Status(status).terminal or (holder not in (None, worker) and alive(holder)):
        return None
    if slot is not None and not slotless and not inbox.holds_stop(connection, key):
        request = SlotRequest(**decode(slot, f"The slot of execution {execution_id}"))
        if not slots.hold(connection, key, request, priority):
            # A lease without the slot would keep everyone else from it when its turn comes.
            connection.execute(
                "UPDATE executions SET worker = NULL WHERE key = ? AND worker IS NOT NULL", (key,)
            )
            return None
    connection.execute(
        "UPDATE executions SET worker = ?, epoch = ? WHERE key = ?", (worker, epoch + 1, key)
    )
    return Lease(execution_id, worker, epoch + 1, key)


def holder(
    connection: sqlite3.Connection, execution_id: str, alive: Callable[[str], bool]
) -> str | None:
    row = connection.execute(
        "SELECT worker FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    if row is None:
        raise executions.not_found(execution_id)
    worker: str | None = row[0]
    return worker if worker is not None and alive(worker) else None


def ready(
    connection: sqlite3.Connection, now: float, limit: int, alive: Callable[[str], bool]
) -> Sequence[str]:
    holders = connection.execute(
        "SELECT DISTINCT worker FROM executions WHERE worker IS NOT NULL"
    ).fetchall()
    living = encode([worker for (worker,) in holders if alive(worker)], "The workers")
    asked = {"now": now, "living": living, "limit": fetch_size(limit) - 1}
    rows = connection.execute(_READY, asked)
    return [id for (id,) in rows]


def _last_key(connection: sqlite3.Connection) -> int:
    """The highest key that was ever given out."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'executions'").fetchone()
    return 0 if row is None else int(row[0])


def _begin(connection: sqlite3.Connection, begun: Sequence[tuple[int, str, Beginning]]) -> bool:
    """Add the executions with these keys and workers; False when some id is taken."""
    rows = [(key, int(bool(worker)), worker or None, *b.row) for key, worker, b in begun]
    if bulk.run(connection, _CREATE, rows) < len(rows):
        return False
    entries = [
        (key, entry.last, entry.first, entry.data, int(bool(worker)))
        for key, worker, b in begun
        for entry in b.entries
    ]
    return journal.append(connection, entries)
