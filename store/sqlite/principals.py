"""Who may ask. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import StoreError
from ...graphs.stored import Principal
from ..records import checked, decode, encode, fetch_size, page, where

if TYPE_CHECKING:
    import sqlite3

    from ...graphs.stored import Page

_COLUMNS = "id, name, role, scopes, key_hash, created_at, expires_at, profile"


def put(connection: sqlite3.Connection, principal: Principal) -> None:
    p = principal
    other = connection.execute(
        "SELECT id FROM principals WHERE key_hash = ? AND id <> ?", (p.key_hash, p.id)
    ).fetchone()
    if other is not None:
        raise StoreError(f"Principal {p.id} has the API key of {other[0]}; give it one of its own.")
    scopes = encode(list(p.scopes), f"Principal {p.id}")
    connection.execute(
        f"INSERT OR REPLACE INTO principals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            checked(p.id, "The principal's id"),
            *(p.name, p.role, scopes, p.key_hash, p.created_at, p.expires_at, p.profile),
        ),
    )


def find(connection: sqlite3.Connection, id: str | None, key_hash: str | None) -> Principal | None:
    if id is None and key_hash is None:
        return None
    clause, values = where({"id = ?": id, "key_hash = ?": key_hash})
    row = connection.execute(f"SELECT {_COLUMNS} FROM principals {clause}", values).fetchone()
    return None if row is None else _parse(row)


def listing(connection: sqlite3.Connection, after: str | None, limit: int) -> Page[Principal]:
    clause, values = where({"id > ?": after})
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM principals {clause} ORDER BY id LIMIT {fetch_size(limit)}", values
    ).fetchall()
    return page(rows, limit, lambda row: row[0], _parse)


def delete(connection: sqlite3.Connection, principal_id: str) -> None:
    connection.execute("DELETE FROM principals WHERE id = ?", (principal_id,))


def _parse(row: tuple[str, str, str, str, str | None, str, str | None, str]) -> Principal:
    id, name, role, scopes = row[:4]
    return Principal(id, name, role, tuple(decode(scopes, f"Principal {id}")), *row[4:])
