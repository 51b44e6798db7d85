"""What firings of one key share. What the functions promise stands in the `Firings` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.firing import Lane
from ..firing import OPEN
from ..records import decode, fetch_size, page

if TYPE_CHECKING:
    import sqlite3

    from ...graphs.stored import Page

_COLUMNS = "trigger_id, at, document, lasting, revision"


def put(connection: sqlite3.Connection, lane: Lane, document: str) -> bool:
    """Insert or replace it, `document` being what `lane_text` made of it."""
    row = (lane.trigger, lane.at, document, lane.lasting, lane.revision, lane.id)
    if lane.revision == 0:
        sql = f"INSERT INTO lanes ({_COLUMNS}, id) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return bool(connection.execute(sql, row).rowcount)
    sql = f"UPDATE lanes SET ({_COLUMNS}) = (?, ?, ?, ?, ?) WHERE id = ? AND revision = ?"
    return bool(connection.execute(sql, (*row, lane.revision - 1)).rowcount)


def find(connection: sqlite3.Connection, lane_id: str) -> Lane | None:
    sql = f"SELECT id, {_COLUMNS} FROM lanes WHERE id = ?"
    row = connection.execute(sql, (lane_id,)).fetchone()
    return None if row is None else _parse(row)


def listing(connection: sqlite3.Connection, after: str | None, limit: int) -> Page[Lane]:
    rows = connection.execute(
        f"SELECT id, {_COLUMNS} FROM lanes WHERE id > ? ORDER BY id LIMIT {fetch_size(limit)}",
        (after or "",),
    ).fetchall()
    return page(rows, limit, lambda row: row[0], _parse)


def prune(connection: sqlite3.Connection, before: str) -> None:
    connection.execute(
        "DELETE FROM lanes WHERE at < ? AND NOT lasting AND NOT EXISTS"
        f" (SELECT 1 FROM firings WHERE firings.lane = lanes.id AND status IN ({OPEN}))",
        (before,),
    )


def _parse(row: tuple[str, str, str, str, int, int]) -> Lane:
    id, trigger, at, document, lasting, revision = row
    return Lane(id, trigger, at, decode(document, f"Lane {id}"), bool(lasting), revision)
