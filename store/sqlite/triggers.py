"""What starts executions. What the functions promise stands in the `Firings` port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.errors import TriggerNotFound
from ...graphs.firing import Trigger
from ...graphs.stored import Page
from ..firing import due_cursor, due_place, one_of
from ..records import decode, encode, fetch_size, page, sound

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ..records import Value

_COLUMNS = (
    "workflow, type, version, declared, enabled, made_by, profile, created_at, next_at,"
    " document, memory, revision"
)


def put(connection: sqlite3.Connection, trigger: Trigger, texts: tuple[str, str]) -> bool:
    """Insert or replace it, `texts` being what `trigger_texts` made of it."""
    t = trigger
    row = (
        *(t.workflow, t.type, t.version, t.declared, t.enabled, t.by, t.profile, t.created_at),
        *(t.next_at, *texts, t.revision, t.id),
    )
    if t.revision == 0:
        sql = (
            f"INSERT INTO triggers ({_COLUMNS}, id) VALUES ({', '.join('?' * 13)})"
            " ON CONFLICT DO NOTHING"
        )
        return bool(connection.execute(sql, row).rowcount)
    sql = (
        f"UPDATE triggers SET ({_COLUMNS}) = ({', '.join('?' * 12)}) WHERE id = ? AND revision = ?"
    )
    return bool(connection.execute(sql, (*row, t.revision - 1)).rowcount)


def find(connection: sqlite3.Connection, trigger_id: str) -> Trigger:
    sql = f"SELECT id, {_COLUMNS} FROM triggers WHERE id = ?"
    row = connection.execute(sql, (trigger_id,)).fetchone()
    if row is None:
        raise TriggerNotFound.of(trigger_id)
    return _parse(row)


def of(connection: sqlite3.Connection, ids: Sequence[str]) -> Sequence[Trigger]:
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM triggers WHERE id IN (SELECT value FROM json_each(?))",
        (encode(list(ids), "A list of ids"),),
    )
    return [_parse(row) for row in rows]


def starters_of(
    connection: sqlite3.Connection, workflows: Sequence[str], each: int
) -> Sequence[Trigger]:
    wanted = encode(list(dict.fromkeys(workflows)), "A list of names")
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM triggers WHERE id IN (SELECT t.id FROM json_each(?) wanted"
        " JOIN triggers t ON t.id IN (SELECT id FROM triggers WHERE workflow = wanted.value"
        " ORDER BY id LIMIT ?)) ORDER BY id",
        (wanted, each),
    )
    return [_parse(row) for row in rows]


def listing(
    connection: sqlite3.Connection,
    workflow: str | None,
    type: str | None,
    due: float | None,
    after: str | None,
    limit: int,
) -> Page[Trigger]:
    one_of(workflow, type, due)
    order, values = "id", list["Value"]([after or ""])
    if due is not None:
        clause, order, values = "enabled AND next_at <= ?", "next_at, id", [due]
        if after is not None:
            clause += " AND (next_at, id) > (?, ?)"
            values += due_place(after)
    elif workflow is not None:
        clause, values = "workflow = ? AND id > ?", [workflow, *values]
    elif type is not None:
        clause, values = "type = ? AND id > ?", [type, *values]
    else:
        clause = "id > ?"
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM triggers WHERE {clause} ORDER BY {order}"
        f" LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    if due is None:
        return page(rows, limit, lambda row: row[0], _parse)
    some = page(rows, limit, lambda row: due_cursor(row[9], row[0]), lambda row: row)
    return Page([*sound(some.items, _parse)], some.cursor)


def delete(connection: sqlite3.Connection, trigger_id: str) -> None:
    connection.execute("DELETE FROM triggers WHERE id = ?", (trigger_id,))
    connection.execute("DELETE FROM lanes WHERE trigger_id = ?", (trigger_id,))


def _parse(row: tuple[Any, ...]) -> Trigger:
    id, workflow, type, version, declared, enabled, by, profile, created_at, *rest = row
    next_at, document, memory, revision = rest
    what = f"Trigger {id}"
    return Trigger(
        id=id,
        workflow=workflow,
        type=type,
        document=decode(document, what),
        version=version,
        declared=bool(declared),
        enabled=bool(enabled),
        by=by,
        profile=profile,
        created_at=created_at,
        next_at=next_at,
        memory=decode(memory, what),
        revision=revision,
    )
