"""Who may drive an execution: beginning one, taking one over, finding one without a driver.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from ...graphs.errors import ConcurrencyLimit, StoreError
from ...graphs.execution import Execution, Status
from ...graphs.lease import Lease, SlotRequest
from . import executions, journal, slots
from .records import checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from ...graphs.stored import Entry

_CANDIDATES = """
    WITH candidates (key) AS (
        SELECT key FROM executions WHERE status IN ('queued', 'running')
        UNION SELECT i.execution FROM inbox i JOIN executions e ON e.key = i.execution
            WHERE e.status IN ('waiting', 'paused')
        UNION SELECT q.execution FROM questions q JOIN executions e ON e.key = q.execution
            WHERE q.status = 'open' AND q.due <= :now AND e.status = 'waiting'
    )
"""


class Beginning:
    """An execution that begins, encoded when this is made."""

    def __init__(self, execution: Execution, entries: Sequence[Entry], worker: str) -> None:
        """Raises `InvalidInput` for an id that can be none, `StoreError` for what is no JSON."""
        self._id = checked(execution.id, "The execution's id")
        self._worker = worker
        self._entries = entries
        self._priority = execution.priority
        # What has ended needs no slot: it comes from an export.
        self._slot = None if execution.status.terminal else execution.slot
        self._row = (
            execution.status.value,
            execution.priority,
            execution.id,
            execution.workflow,
            execution.digest,
            None if execution.slot is None else orjson.dumps(execution.slot.to_dict()).decode(),
            executions.changing(execution),
            executions.given(execution),
        )

    def __call__(self, connection: sqlite3.Connection) -> Lease | None:
        taken = connection.execute("SELECT 1 FROM executions WHERE id = ?", (self._id,)).fetchone()
        if taken is not None:
            raise StoreError(f"Execution {self._id} exists already; begin it under another id.")
        granted = True
        if self._slot is not None:
            granted = slots.free(connection, self._slot, self._priority)
            if not granted and self._slot.overflow == "reject":
                raise ConcurrencyLimit(
                    f"All {self._slot.limit} slots of {self._slot.key!r} are taken; try again "
                    "when an execution of it has ended, or let it queue (overflow: queue)."
                )
        leased = granted and self._worker != ""
        key = connection.execute(
            "INSERT INTO executions (epoch, worker, status, priority, id, workflow, digest, slot,"
            " changing, given) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (int(leased), self._worker if leased else None, *self._row),
        ).lastrowid
        assert key is not None
        for entry in self._entries:
            journal.append(connection, key, self._id, entry)
        if self._slot is not None:
            slots.enter(connection, key, self._slot, self._priority)
            if not granted and self._slot.overflow == "replace":
                slots.displace(connection, self._slot.key)
        return Lease(self._id, self._worker, 1, key) if leased else None


def claim(
    connection: sqlite3.Connection, execution_id: str, worker: str, alive: Callable[[str], bool]
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
    if slot is not None:
        request = SlotRequest(**orjson.loads(slot))
        if not slots.hold(connection, key, request, priority):
            # A lease without the slot would keep everyone else from it when its turn comes.
            connection.execute("UPDATE executions SET worker = NULL WHERE key = ?", (key,))
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
    living = orjson.dumps([worker for (worker,) in holders if alive(worker)]).decode()
    rows = connection.execute(
        f"{_CANDIDATES} SELECT e.id FROM candidates JOIN executions e USING (key)"
        " LEFT JOIN slots s ON s.execution = e.key"
        " WHERE (e.worker IS NULL OR e.worker NOT IN (SELECT value FROM json_each(:living)))"
        " AND ifnull(s.held, 1) ORDER BY e.priority DESC, e.key LIMIT :limit",
        {"now": now, "living": living, "limit": limit},
    )
    return [id for (id,) in rows]
