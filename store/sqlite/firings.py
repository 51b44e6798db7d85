"""What came of each time that a trigger fired. The `Firings` port says what is promised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...graphs.errors import FiringNotFound, InvalidInput
from ..firing import OPEN, about, firing_of
from ..records import decode, encode, fetch_size, page, revive, sound, where

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.firing import Firing, FiringStatus
    from ...graphs.stored import Page

_COLUMNS = "trigger_id, status, at, due, lane, revision, document, payload, attributes"
_CURSOR = re.compile(r"(.*) ([0-9]{1,18})", re.DOTALL)
_FORGOTTEN_AT_ONCE = 500


class Putting:
    """Encoded when this is made, `texts` being what `firing_texts` made of it."""

    def __init__(self, firing: Firing, texts: tuple[str, str]) -> None:
        document = encode(about(firing), f"Firing {firing.id}")
        self._revision = firing.revision
        self._row = (
            *(firing.trigger, firing.status.value, firing.at, firing.due, firing.lane),
            *(firing.revision, document, *texts, firing.id),
        )

    def __call__(self, connection: sqlite3.Connection) -> bool:
        if self._revision == 0:
            sql = (
                f"INSERT INTO firings ({_COLUMNS}, id) VALUES ({', '.join('?' * 10)})"
                " ON CONFLICT (id) DO NOTHING"
            )
            return bool(connection.execute(sql, self._row).rowcount)
        sql = (
            f"UPDATE firings SET ({_COLUMNS}) = ({', '.join('?' * 9)})"
            " WHERE id = ? AND revision = ?"
        )
        return bool(connection.execute(sql, (*self._row, self._revision - 1)).rowcount)


def find(connection: sqlite3.Connection, firing_id: str) -> Firing:
    sql = f"SELECT key, id, {_COLUMNS} FROM firings WHERE id = ?"
    row = connection.execute(sql, (firing_id,)).fetchone()
    if row is None:
        raise FiringNotFound.of(firing_id)
    return _parse(row)


def of(connection: sqlite3.Connection, ids: Sequence[str]) -> Sequence[Firing]:
    rows = connection.execute(
        f"SELECT key, id, {_COLUMNS} FROM firings WHERE id IN (SELECT value FROM json_each(?))",
        (encode(list(ids), "A list of ids"),),
    )
    return [_parse(row) for row in rows]


def newest_of(
    connection: sqlite3.Connection, trigger_ids: Sequence[str], each: int
) -> Sequence[Firing]:
    wanted = encode(list(dict.fromkeys(trigger_ids)), "A list of ids")
    rows = connection.execute(
        f"SELECT key, id, {_COLUMNS} FROM firings WHERE key IN (SELECT f.key"
        " FROM json_each(?) wanted JOIN firings f ON f.key IN (SELECT key FROM firings"
        " WHERE trigger_id = wanted.value ORDER BY at DESC, key DESC LIMIT ?))"
        " ORDER BY at DESC, key DESC",
        (wanted, each),
    )
    return [_parse(row) for row in rows]


def listing(
    connection: sqlite3.Connection,
    trigger: str | None,
    status: FiringStatus | None,
    after: str | None,
    limit: int,
) -> Page[Firing]:
    clause, values = where({"trigger_id = ?": trigger, "status = ?": status})
    if after is not None:
        cursor = _CURSOR.fullmatch(after)
        if cursor is None:
            raise InvalidInput(f"{after!r} is no cursor of this listing; begin without one.")
        clause = f"{clause} AND" if clause else "WHERE"
        clause, values = f"{clause} (at, key) < (?, ?)", (*values, cursor[1], int(cursor[2]))
    rows = connection.execute(
        f"SELECT key, id, {_COLUMNS} FROM firings {clause} ORDER BY at DESC, key DESC"
        f" LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: f"{row[4]} {row[0]}", _parse)


def due(connection: sqlite3.Connection, now: float, limit: int) -> Sequence[Firing]:
    rows = connection.execute(
        f"SELECT key, id, {_COLUMNS} FROM firings WHERE due <= ? ORDER BY due"
        f" LIMIT {fetch_size(limit) - 1}",
        (now,),
    ).fetchall()
    return [*sound(rows, _parse)]


def prune(connection: sqlite3.Connection, before: str) -> int:
    """Some of those that are to be forgotten; 0 when there are none."""
    return connection.execute(
        "DELETE FROM firings WHERE key IN (SELECT key FROM firings"
        f" WHERE at < ? AND status NOT IN ({OPEN}) ORDER BY at LIMIT {_FORGOTTEN_AT_ONCE})",
        (before,),
    ).rowcount


def _parse(row: tuple[Any, ...]) -> Firing:
    _, id, trigger, status, at, due, lane, revision, document, payload, attributes = row
    what = f"Firing {id}"
    told = decode(document, what)
    return revive(
        lambda: firing_of(
            told,
            id=id,
            trigger=trigger,
            status=status,
            at=at,
            due=due,
            lane=lane,
            revision=revision,
            payload=decode(payload, what),
            attributes=decode(attributes, what),
        ),
        what,
    )
