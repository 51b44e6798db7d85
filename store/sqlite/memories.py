"""What agents remember. What the functions promise stands in the `Memories` port."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...graphs.memory import FACTS, TURNS, Fact, MemoryInfo, Turn
from ..records import checked, fetch_size, page, pair, paired

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .reader import Reader
    from .writer import Writer


class Remembering:
    """The part of a store that keeps conversations and facts."""

    _writer: Writer
    _reader: Reader | None

    async def remember(self, workflow: str, key: str, turn: Turn) -> None:
        work = partial(add, workflow=workflow, key=checked(key, "The key"), turn=turn)
        await self._writer.run(work, f"What {workflow} remembers")

    async def remembered(self, workflow: str, key: str, *, limit: int) -> Sequence[Turn]:
        work = partial(newest, workflow=workflow, key=key, limit=limit)
        return await (self._reader or self._writer).run(work)

    async def note(self, workflow: str, key: str, fact: Fact) -> None:
        work = partial(put, workflow=workflow, key=checked(key, "The key"), fact=fact)
        await self._writer.run(work, f"What {workflow} remembers")

    async def facts(self, workflow: str, key: str) -> Sequence[Fact]:
        work = partial(noted, workflow=workflow, key=key)
        return await (self._reader or self._writer).run(work)

    async def memories(
        self, *, workflow: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[MemoryInfo]:
        work = partial(listing, workflow=workflow, after=after, limit=limit)
        return await (self._reader or self._writer).run(work)

    async def forget(self, workflow: str, key: str, *, before: str | None = None) -> int:
        work = partial(clear, workflow=workflow, key=key, before=before)
        return await self._writer.run(work)


def add(connection: sqlite3.Connection, workflow: str, key: str, turn: Turn) -> None:
    connection.execute(
        "INSERT INTO turns (id, workflow, topic, said, answered, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (turn.id, workflow, key, turn.said, turn.answered, turn.at),
    )
    _keep(connection, "turns", TURNS, workflow, key)
    _used(connection, workflow, key, turn.at)


def newest(connection: sqlite3.Connection, workflow: str, key: str, limit: int) -> Sequence[Turn]:
    rows = connection.execute(
        "SELECT id, said, answered, at FROM turns WHERE workflow = ? AND topic = ?"
        " ORDER BY number DESC LIMIT ?",
        (workflow, key, limit),
    ).fetchall()
    return [Turn(*row) for row in reversed(rows)]


def put(connection: sqlite3.Connection, workflow: str, key: str, fact: Fact) -> None:
    connection.execute(
        "DELETE FROM facts WHERE workflow = ? AND topic = ? AND name = ?",
        (workflow, key, fact.name),
    )
    if not fact.text:
        return
    connection.execute(
        "INSERT INTO facts (workflow, topic, name, fact, at) VALUES (?, ?, ?, ?, ?)",
        (workflow, key, fact.name, fact.text, fact.at),
    )
    _keep(connection, "facts", FACTS, workflow, key)
    _used(connection, workflow, key, fact.at)


def noted(connection: sqlite3.Connection, workflow: str, key: str) -> Sequence[Fact]:
    rows = connection.execute(
        "SELECT name, fact, at FROM facts WHERE workflow = ? AND topic = ? ORDER BY number DESC",
        (workflow, key),
    )
    return [Fact(*row) for row in rows]


def listing(
    connection: sqlite3.Connection, workflow: str | None, after: str | None, limit: int
) -> Page[MemoryInfo]:
    terms = ["(workflow, topic) > (?, ?)"]
    values = [*(("", "") if after is None else paired(after))]
    if workflow is not None:
        terms.append("workflow = ?")
        values.append(workflow)
    rows = connection.execute(
        f"SELECT workflow, topic, at FROM memories WHERE {' AND '.join(terms)}"
        f" ORDER BY workflow, topic LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: pair(row[0], row[1]), lambda row: MemoryInfo(*row))


def clear(connection: sqlite3.Connection, workflow: str, key: str, before: str | None) -> int:
    used = connection.execute(
        "SELECT at FROM memories WHERE workflow = ? AND topic = ?", (workflow, key)
    ).fetchone()
    if used is None or (before is not None and used[0] >= before):
        return 0
    forgotten = 0
    for table in ("turns", "facts", "memories"):
        gone = connection.execute(
            f"DELETE FROM {table} WHERE workflow = ? AND topic = ?", (workflow, key)
        ).rowcount
        forgotten += gone if table != "memories" else 0
    return forgotten


def _keep(connection: sqlite3.Connection, table: str, most: int, workflow: str, key: str) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE workflow = ? AND topic = ? AND number <="
        f" (SELECT number FROM {table} WHERE workflow = ? AND topic = ?"
        f" ORDER BY number DESC LIMIT 1 OFFSET {most})",
        (workflow, key, workflow, key),
    )


def _used(connection: sqlite3.Connection, workflow: str, key: str, at: str) -> None:
    connection.execute(
        "INSERT INTO memories (workflow, topic, at) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET at = excluded.at",
        (workflow, key, at),
    )
