"""Who did what. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.stored import AuditEntry
from ..records import decode, encode, fetch_size, number, page, where

if TYPE_CHECKING:
    import sqlite3

    from ...graphs.stored import Page

_COLUMNS = "at, principal, action, target, allowed, rule, data"
_NEWEST = 2**63 - 1


def record(connection: sqlite3.Connection, entry: AuditEntry, data: str) -> None:
    """Append it, `data` being what `encoded` made of it."""
    e = entry
    connection.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (e.at, e.principal, e.action, e.target, e.allowed, e.rule, data),
    )


def encoded(entry: AuditEntry) -> str:
    """Its data as JSON text; raises `StoreError`."""
    return encode(entry.data, f"The audit of {entry.action} by {entry.principal}")


def listing(
    connection: sqlite3.Connection, target: str | None, after: str | None, limit: int
) -> Page[AuditEntry]:
    clause, values = where({"target = ?": target, "id < ?": number(after, _NEWEST)})
    rows = connection.execute(
        f"SELECT {_COLUMNS}, id FROM audit {clause} ORDER BY id DESC LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[-1], _parse)


def _parse(row: tuple[str, str, str, str, int, str, str, int]) -> AuditEntry:
    at, principal, action, target, allowed, rule, data, id = row
    told = decode(data, f"Audit entry {id}")
    return AuditEntry(at, principal, action, target, bool(allowed), rule, told, id)
