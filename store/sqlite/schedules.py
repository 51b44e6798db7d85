"""What starts executions by the clock. The `Store` port says what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.stored import Schedule
from ..records import checked, decode, encode, fetch_size, page, where

if TYPE_CHECKING:
    import sqlite3

    from ...graphs.stored import Page


def put(connection: sqlite3.Connection, schedule: Schedule, document: str) -> bool:
    """Insert or replace it, `document` being what `encoded` made of it."""
    row = (
        schedule.workflow,
        schedule.enabled,
        schedule.next_at,
        schedule.revision,
        document,
        schedule.id,
    )
    if schedule.revision == 0:
        sql = (
            "INSERT INTO schedules (workflow, enabled, next_at, revision, document, id)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
        )
        return bool(connection.execute(sql, row).rowcount)
    sql = (
        "UPDATE schedules SET (workflow, enabled, next_at, revision, document) = (?, ?, ?, ?, ?)"
        " WHERE id = ? AND revision = ?"
    )
    return bool(connection.execute(sql, (*row, schedule.revision - 1)).rowcount)


def encoded(schedule: Schedule) -> str:
    """Its document as JSON text; raises `InvalidInput` or `StoreError`."""
    return encode(schedule.document, f"Schedule {checked(schedule.id, 'The schedule')}")


def listing(
    connection: sqlite3.Connection, due: float | None, after: str | None, limit: int
) -> Page[Schedule]:
    clause, values = where({"enabled AND next_at <= ?": due, "id > ?": after})
    rows = connection.execute(
        "SELECT id, workflow, enabled, next_at, document, revision FROM schedules"
        f" {clause} ORDER BY id LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[0], _parse)


def delete(connection: sqlite3.Connection, schedule_id: str) -> None:
    connection.execute("DELETE FROM schedules WHERE id = ?", (schedule_id,))


def _parse(row: tuple[str, str, int, float | None, str, int]) -> Schedule:
    id, workflow, enabled, next_at, document, revision = row
    data = decode(document, f"Schedule {id}")
    return Schedule(id, workflow, bool(enabled), next_at, data, revision)
