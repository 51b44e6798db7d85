"""What agents remember. What the functions promise stands in the `Memories` port."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...graphs.memory import Turn
from ..records import checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from .reader import Reader
    from .writer import Writer


class Remembering:
    """The part of a store that keeps conversations."""

    _writer: Writer
    _reader: Reader | None

    async def remember(self, workflow: str, key: str, turn: Turn) -> None:
        work = partial(add, workflow=workflow, key=checked(key, "The key"), turn=turn)
        await self._writer.run(work, f"What {workflow} remembers")

    async def remembered(self, workflow: str, key: str, *, limit: int) -> Sequence[Turn]:
        work = partial(newest, workflow=workflow, key=key, limit=limit)
        return await (self._reader or self._writer).run(work)

    async def forget(self, workflow: str, key: str) -> int:
        return await self._writer.run(partial(clear, workflow=workflow, key=key))


def add(connection: sqlite3.Connection, workflow: str, key: str, turn: Turn) -> None:
    connection.execute(
        "INSERT INTO turns (id, workflow, topic, said, answered, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (turn.id, workflow, key, turn.said, turn.answered, turn.at),
    )


def newest(connection: sqlite3.Connection, workflow: str, key: str, limit: int) -> Sequence[Turn]:
    rows = connection.execute(
        "SELECT id, said, answered, at FROM turns WHERE workflow = ? AND topic = ?"
        " ORDER BY number DESC LIMIT ?",
        (workflow, key, limit),
    ).fetchall()
    return [Turn(*row) for row in reversed(rows)]


def clear(connection: sqlite3.Connection, workflow: str, key: str) -> int:
    return connection.execute(
        "DELETE FROM turns WHERE workflow = ? AND topic = ?", (workflow, key)
    ).rowcount
