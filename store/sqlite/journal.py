"""Journals: what is appended in one commit, and what a resume or a listener reads.

What the functions promise stands in the `Store` port.
"""

from __future__ import annotations

import sqlite3

from ...graphs.errors import StoreError
from ...graphs.event import Event, EventType
from ...graphs.execution import Execution, Status, StepResult
from ...graphs.ports import Commit, History, Page
from .records import decode, encode, fetch_size, page

_KEY = "SELECT key FROM executions WHERE id = ?"
_PUT_EXECUTION = (
    "INSERT INTO executions (id, workflow, digest, status, document) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET status = excluded.status, document = excluded.document"
    " RETURNING key"
)
_ADD_RESULT = "INSERT INTO results (execution, seq, path, document) VALUES (?, ?, ?, ?)"
_COMPENSATE = (
    "UPDATE results SET document = ? WHERE execution = ? AND seq = ? AND path = ?"
    " AND json_extract(document, '$.status') = 'completed'"
)
_ADD_DECISION = "INSERT INTO decisions (execution, path, name, value) VALUES (?, ?, ?, ?)"
_ADD_EVENT = "INSERT INTO events (execution, seq, type, at, path, data) VALUES (?, ?, ?, ?, ?, ?)"


class Entry:
    """A commit as rows, encoded when it is made so that nothing can change it afterwards."""

    __slots__ = ("_compensated", "_decisions", "_events", "_execution", "_id", "_results")

    def __init__(self, commit: Commit) -> None:
        """Raises `StoreError` when a value is not JSON or belongs to another execution."""
        self._id = commit.execution_id
        self._execution = None
        if commit.execution is not None:
            self._own(commit.execution.id)
            self._execution = _row(commit.execution)
        self._results: list[tuple[int, str, str]] = []
        self._compensated: list[tuple[int, str, str]] = []
        for r in commit.results:
            rows = self._compensated if r.status is Status.COMPENSATED else self._results
            rows.append((r.seq, r.path, encode(r.to_dict(), f"The result of step {r.path}")))
        self._decisions = [
            (d.path, d.name, encode(d.value, f"What {d.name!r} of step {d.path} came to"))
            for d in commit.decisions
        ]
        self._events = []
        for event in commit.events:
            self._own(event.execution_id)
            data = encode(event.data, f"The event {event.type} of step {event.path}")
            self._events.append((event.seq, event.type.value, event.at, event.path, data))

    def write(self, connection: sqlite3.Connection) -> None:
        """Append it. Raises `StoreError` when its place is taken, or not there to compensate."""
        if self._execution is not None:
            (key,) = connection.execute(_PUT_EXECUTION, self._execution).fetchone()
        else:
            found = connection.execute(_KEY, (self._id,)).fetchone()
            if found is None:
                raise StoreError(
                    f"Execution {self._id} is not in the store; its first commit carries its row."
                )
            (key,) = found
        for sql, rows, what in (
            (_ADD_RESULT, self._results, "the result with number {0} of step {1!r}"),
            (_ADD_DECISION, self._decisions, "what {1!r} of step {0!r} came to"),
            (_ADD_EVENT, self._events, "the event with number {0}"),
        ):
            for row in rows:
                try:
                    connection.execute(sql, (key, *row))
                except sqlite3.IntegrityError as error:
                    raise self._refused(error, what.format(*row)) from error
        for seq, path, document in self._compensated:
            if connection.execute(_COMPENSATE, (document, key, seq, path)).rowcount != 1:
                raise StoreError(
                    f"Execution {self._id} has no completed step {path!r} with number {seq} "
                    "to compensate."
                )

    def _own(self, execution_id: str) -> None:
        if execution_id != self._id:
            raise StoreError(
                f"A commit for execution {self._id} holds something of {execution_id}; "
                "commit each execution by itself."
            )

    def _refused(self, error: sqlite3.IntegrityError, what: str) -> StoreError:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_CHECK:
            return StoreError(
                f"Execution {self._id} was given {what}; what is durable is numbered from 1."
            )
        return StoreError(
            f"Execution {self._id} cannot take {what}: the journal has that place already. "
            "Is another process driving this execution?"
        )


def results(connection: sqlite3.Connection, key: int, execution_id: str) -> dict[str, StepResult]:
    """An execution's step results by path, in the order they entered the journal."""
    rows = connection.execute(
        "SELECT path, document FROM results WHERE execution = ? ORDER BY seq", (key,)
    )
    return {
        path: StepResult.from_dict(decode(text, f"Step {path} of execution {execution_id}"))
        for path, text in rows
    }


def history(connection: sqlite3.Connection, execution_id: str) -> History:
    found = connection.execute(_KEY, (execution_id,)).fetchone()
    if found is None:
        return History()
    (key,) = found
    decisions = connection.execute(
        "SELECT path, name, value FROM decisions WHERE execution = ?", (key,)
    )
    (seq,) = connection.execute(
        "SELECT max(ifnull((SELECT max(seq) FROM results WHERE execution = :key), 0),"
        " ifnull((SELECT max(seq) FROM events WHERE execution = :key), 0))",
        {"key": key},
    ).fetchone()
    return History(
        results(connection, key, execution_id),
        {
            (path, name): decode(value, f"What {name!r} of step {path} came to")
            for path, name, value in decisions
        },
        seq,
    )


def events(
    connection: sqlite3.Connection, execution_id: str, after: int, limit: int
) -> Page[Event]:
    rows = connection.execute(
        "SELECT seq, type, at, path, data FROM events"
        f" WHERE execution = ({_KEY}) AND seq > ? ORDER BY seq LIMIT {fetch_size(limit)}",
        (execution_id, after),
    ).fetchall()
    found = page(rows, limit, lambda row: str(row[0]))
    return Page(
        [
            Event(execution_id, EventType(type_), at, path, decode(data, f"Event {seq}"), seq)
            for seq, type_, at, path, data in found.items
        ],
        found.cursor,
    )


def _row(execution: Execution) -> tuple[str, str, str, str, str]:
    return (
        execution.id,
        execution.workflow,
        execution.digest,
        execution.status.value,
        encode(execution.row(), f"Execution {execution.id}"),
    )
