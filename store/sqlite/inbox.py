"""What others tell the driver of an execution. What is promised stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.lease import Command, Message
from ..records import OPEN, decode
from .executions import not_found

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


def post(connection: sqlite3.Connection, execution_id: str, command: Command, data: str) -> None:
    found = connection.execute(
        "SELECT key FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    if found is None:
        raise not_found(execution_id)
    put(connection, found[0], command, data)


def put(connection: sqlite3.Connection, execution: int, command: Command, data: str) -> None:
    """Put a message with data as JSON text into an inbox that is still looked into."""
    connection.execute(
        "INSERT INTO inbox (execution, command, data)"
        f" SELECT key, ?, ? FROM executions WHERE key = ? AND status IN ({OPEN})",
        (command.value, data, execution),
    )


def holds_stop(connection: sqlite3.Connection, execution: int) -> bool:
    """Whether the execution is to end, for which it needs no slot."""
    row = connection.execute(
        "SELECT 1 FROM inbox WHERE execution = ? AND command = ? LIMIT 1",
        (execution, Command.STOP.value),
    ).fetchone()
    return row is not None


def consume(connection: sqlite3.Connection, execution: int, consumed: Sequence[int]) -> None:
    connection.executemany(
        "DELETE FROM inbox WHERE id = ? AND execution = ?",
        [(number, execution) for number in consumed],
    )


def listing(connection: sqlite3.Connection, worker: str) -> Sequence[Message]:
    # Few messages lie in inboxes at any time, so they are looked through first (CROSS JOIN).
    rows = connection.execute(
        "SELECT e.id, i.command, i.data, i.id FROM inbox i"
        " CROSS JOIN executions e ON e.key = i.execution WHERE e.worker = ? ORDER BY i.id",
        (worker,),
    )
    return [
        Message(id, Command(command), decode(data, f"Message {number} of execution {id}"), number)
        for id, command, data, number in rows
    ]
