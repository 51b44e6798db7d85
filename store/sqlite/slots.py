"""Units of concurrency keys: who holds one, who waits, whose turn it is.

After every transaction nobody waits for a unit that is free: whoever is first in the queue
asks for fewer units than are held. What is promised stands in the `Store` port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.execution import timestamp
from ...graphs.lease import Command, Slot
from . import inbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.lease import SlotRequest

_IN_TURN = "ORDER BY s.key, s.held DESC, iif(s.held, 0, s.priority) DESC, s.turn"


def free(connection: sqlite3.Connection, request: SlotRequest, priority: int) -> bool:
    """Would a request that is made now be met at once?"""
    before = connection.execute(
        "SELECT 1 FROM slots WHERE key = ? AND held = 0 AND priority >= ? LIMIT 1",
        (request.key, priority),
    ).fetchone()
    return before is None and _held(connection, request.key) < request.limit


def enter(
    connection: sqlite3.Connection, execution: int, request: SlotRequest, priority: int
) -> bool:
    """Give the execution a unit, or its place in the queue; True when it holds one."""
    held = free(connection, request, priority)
    connection.execute(
        "INSERT INTO slots (key, execution, held, priority, size, since) VALUES (?, ?, ?, ?, ?, ?)",
        (request.key, execution, held, priority, request.limit, timestamp()),
    )
    return held


def hold(
    connection: sqlite3.Connection, execution: int, request: SlotRequest, priority: int
) -> bool:
    """Does the execution hold its unit? It is given one, or a place, if it has neither."""
    found = connection.execute(
        "SELECT held FROM slots WHERE execution = ?", (execution,)
    ).fetchone()
    return enter(connection, execution, request, priority) if found is None else bool(found[0])


def leave(connection: sqlite3.Connection, execution: int) -> list[str]:
    """Give the execution's unit, or its place, to whoever is next; their ids."""
    found = connection.execute(
        "DELETE FROM slots WHERE execution = ? RETURNING key", (execution,)
    ).fetchone()
    return [] if found is None else _pass_on(connection, found[0])


def displace(connection: sqlite3.Connection, key: str, newcomer: int) -> None:
    """Tell whoever holds the key, or waits for it, to stop, once."""
    others = connection.execute(
        "SELECT execution FROM slots WHERE key = ? AND execution <> ? AND execution NOT IN"
        " (SELECT execution FROM inbox WHERE command = ?)",
        (key, newcomer, Command.STOP.value),
    ).fetchall()
    for (execution,) in others:
        inbox.put(connection, execution, Command.STOP, "{}")


def listing(connection: sqlite3.Connection, key: str | None) -> Sequence[Slot]:
    rows = connection.execute(
        "SELECT s.key, e.id, e.workflow, s.held, s.since, s.priority"
        " FROM slots s JOIN executions e ON e.key = s.execution"
        f" WHERE ?1 IS NULL OR s.key = ?1 {_IN_TURN}",
        (key,),
    )
    return [Slot(k, id, name, bool(held), *rest) for k, id, name, held, *rest in rows]


def _pass_on(connection: sqlite3.Connection, key: str) -> list[str]:
    held = _held(connection, key)
    turned: list[str] = []
    while True:
        following = connection.execute(
            "SELECT s.turn, s.size, e.id FROM slots s JOIN executions e ON e.key = s.execution"
            " WHERE s.key = ? AND s.held = 0 ORDER BY s.priority DESC, s.turn LIMIT 1",
            (key,),
        ).fetchone()
        if following is None or held >= following[1]:
            return turned
        connection.execute(
            "UPDATE slots SET held = 1, since = ? WHERE turn = ?", (timestamp(), following[0])
        )
        held += 1
        turned.append(following[2])


def _held(connection: sqlite3.Connection, key: str) -> int:
    row = connection.execute("SELECT count(*) FROM slots WHERE key = ? AND held = 1", (key,))
    return int(row.fetchone()[0])
