"""Journals: what one commit appends, and what a resume or a listener reads.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import LeaseLost, StoreError
from ...graphs.execution import Status
from ...graphs.stored import Commit, Entry, Page
from . import artifacts, executions, inbox, questions, signals, slots
from .records import fetch_size, page

if TYPE_CHECKING:
    import sqlite3

_APPEND = (
    "INSERT INTO journal (execution, last, first, data) SELECT :key, :last, :first, :data"
    " WHERE NOT EXISTS"
    " (SELECT 1 FROM journal WHERE execution = :key AND last >= :first AND first <= :last)"
)


class Writing:
    """A commit, encoded when this is made so that nothing can change it afterwards."""

    def __init__(self, commit: Commit) -> None:
        """Raises `StoreError` when a value is not JSON or belongs to another execution."""
        self._commit = commit
        self._row = None
        self._parks = False
        if commit.execution is not None:
            self._own(commit.execution.id)
            self._row = executions.changing(commit.execution)
            self._parks = _gives_up_its_slot(commit)
        for question in commit.questions:
            self._own(question.execution_id)
        for artifact in commit.artifacts:
            self._own(artifact.execution_id)
        self._questions = [(q, questions.encoded(q)) for q in commit.questions]
        self._signals = [(s, signals.encoded(s)) for s in commit.signals]

    def __call__(self, connection: sqlite3.Connection) -> bool:
        commit, key = self._commit, self._commit.lease.handle
        held = connection.execute(
            "SELECT 1 FROM executions WHERE key = ? AND epoch = ?", (key, commit.lease.epoch)
        ).fetchone()
        if held is None:
            raise LeaseLost(
                f"Execution {commit.lease.execution_id} is driven by another worker now, or was "
                "deleted; nothing was written."
            )
        if commit.entry is not None:
            append(connection, key, commit.lease.execution_id, commit.entry)
        if commit.execution is not None:
            connection.execute(
                "UPDATE executions SET status = ?, changing = ? WHERE key = ?",
                (commit.execution.status.value, self._row, key),
            )
        for question, document in self._questions:
            questions.keep(connection, key, question, document)
        for signal, document in self._signals:
            signals.send(connection, signal, document)
        artifacts.keep(connection, key, commit.artifacts)
        inbox.consume(connection, key, commit.consumed)
        if self._parks:
            slots.leave(connection, key)
        return not commit.release or _release(connection, key)

    def _own(self, execution_id: str) -> None:
        ours = self._commit.lease.execution_id
        if execution_id != ours:
            raise StoreError(
                f"A commit for execution {ours} holds something of {execution_id}; commit each "
                "execution by itself."
            )


def append(connection: sqlite3.Connection, key: int, execution_id: str, entry: Entry) -> None:
    """Add the entry to the journal. Raises `StoreError` when its place is taken, or is none."""
    if not 0 < entry.first <= entry.last:
        raise StoreError(
            f"Execution {execution_id} was given an entry from {entry.first} to {entry.last}; "
            "what is durable is numbered from 1."
        )
    row = {"key": key, "last": entry.last, "first": entry.first, "data": entry.data}
    if not connection.execute(_APPEND, row).rowcount:
        raise StoreError(
            f"Execution {execution_id} cannot take an entry from {entry.first} to {entry.last}: "
            "its journal has that place already. Is another process driving this execution?"
        )


def entries(
    connection: sqlite3.Connection, execution_id: str, after: int, limit: int
) -> Page[Entry]:
    rows = connection.execute(
        "SELECT first, last, data FROM journal"
        " WHERE execution = (SELECT key FROM executions WHERE id = ?) AND last > ?"
        f" ORDER BY last LIMIT {fetch_size(limit)}",
        (execution_id, after),
    ).fetchall()
    return page(rows, limit, lambda row: row[1], lambda row: Entry(*row))


def _gives_up_its_slot(commit: Commit) -> bool:
    execution = commit.execution
    if execution is None or execution.slot is None:
        return False
    parked = execution.status in (Status.WAITING, Status.PAUSED)
    return execution.status.terminal or (parked and execution.slot.hold == "running")


def _release(connection: sqlite3.Connection, key: int) -> bool:
    return bool(
        connection.execute(
            "UPDATE executions SET worker = NULL WHERE key = ?1"
            " AND NOT EXISTS (SELECT 1 FROM inbox WHERE execution = ?1)",
            (key,),
        ).rowcount
    )
