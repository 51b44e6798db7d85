"""Events from outside and who waits for them. The `Store` port says what is promised."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...graphs.lease import Command
from ...graphs.question import QuestionStatus, Signal
from ..records import decode, encode, fetch_size, revive, where
from . import inbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT = 30 * 24 * 3600.0
"""Seconds after which an event is forgotten."""


def send(connection: sqlite3.Connection, signal: Signal, document: str) -> Sequence[str]:
    """Keep it, `document` being what `encoded` made of it, and tell who waits for it."""
    added = connection.execute(
        "INSERT INTO signals (id, name, event_key, at, document) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (signal.id, signal.name, signal.key, signal.at, document),
    ).rowcount
    if not added:
        return []
    # A signal whose clock is ahead must not end the others.
    connection.execute("DELETE FROM signals WHERE at < ?", (min(signal.at, time.time()) - KEPT,))
    waiting = connection.execute(
        "SELECT q.id, q.execution, e.id FROM questions q JOIN executions e ON e.key = q.execution"
        " WHERE q.event = ? AND q.status = ? AND (q.event_key IS NULL OR q.event_key = ?)"
        " ORDER BY q.key",
        (signal.name, QuestionStatus.OPEN.value, signal.key),
    ).fetchall()
    for question, execution, _ in waiting:
        data = f'{{"question":{encode(question, "A question")},"signal":{document}}}'
        inbox.put(connection, execution, Command.SIGNAL, data)
    return list(dict.fromkeys(id for _, _, id in waiting))


def encoded(signal: Signal) -> str:
    """All of it as JSON text; raises `StoreError`."""
    return encode(asdict(signal), f"The event {signal.name!r}")


def listing(
    connection: sqlite3.Connection, name: str, key: str | None, since: float
) -> Sequence[Signal]:
    clause, values = where({"name = ?": name, "event_key = ?": key, "at >= ?": since})
    rows = connection.execute(f"SELECT id, document FROM signals {clause} ORDER BY at, key", values)
    return [_parse(*row) for row in rows]


def sent(
    connection: sqlite3.Connection, since: float, after: Signal | None, limit: int
) -> Sequence[Signal]:
    behind = (since, "") if after is None else (after.at, after.id)
    rows = connection.execute(
        "SELECT id, document FROM signals WHERE at >= ? AND (at, id) > (?, ?)"
        f" ORDER BY at, id LIMIT {fetch_size(limit) - 1}",
        (behind[0], *behind),
    )
    return [_parse(*row) for row in rows]


def _parse(id: str, document: str) -> Signal:
    what = f"Event {id}"
    data = decode(document, what)
    return revive(lambda: Signal(**data), what)
