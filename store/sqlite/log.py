"""The journals of all executions in the order of their commits, which is that of their keys.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import InvalidInput
from ...graphs.stored import Entry, Logged
from ..records import fetch_size, number

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

NOBODY = 0
"""Stands for the execution of an entry that only keeps its key from being given out again."""


def read(connection: sqlite3.Connection, after: str, limit: int) -> Sequence[Logged]:
    behind = number(after or None, 0)
    rows = connection.execute(
        "SELECT e.id, j.first, j.last, j.data, j.key FROM journal j"
        " CROSS JOIN executions e ON e.key = j.execution"
        f" WHERE j.key > ? ORDER BY j.key LIMIT {fetch_size(limit) - 1}",
        (behind,),
    ).fetchall()
    if not rows and behind > int(end(connection)):
        # Waiting there would pass over all that comes until then.
        raise InvalidInput(
            f"{after!r} is no cursor of this store, whose log does not reach so far; was it "
            "restored from a backup? Begin without one."
        )
    return [Logged(id, Entry(first, last, data), str(key)) for id, first, last, data, key in rows]


def end(connection: sqlite3.Connection) -> str:
    (key,) = connection.execute("SELECT max(key) FROM journal").fetchone()
    return str(key or 0)


def forget(connection: sqlite3.Connection, execution: int) -> None:
    """Delete an execution's entries; a cursor never stands for two places."""
    connection.execute(
        "DELETE FROM journal WHERE execution = ? AND key < (SELECT max(key) FROM journal)",
        (NOBODY,),
    )
    connection.execute(
        "UPDATE journal SET execution = ?, first = 0, last = 0, data = x''"
        " WHERE key = (SELECT max(key) FROM journal) AND execution = ?",
        (NOBODY, execution),
    )
    connection.execute("DELETE FROM journal WHERE execution = ?", (execution,))
