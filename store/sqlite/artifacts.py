"""Files that steps kept. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.stored import ArtifactInfo
from ..records import encode, fetch_size, number, page, where

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page

_NEWEST = 2**63 - 1


def keep(connection: sqlite3.Connection, execution: int, artifacts: Sequence[ArtifactInfo]) -> None:
    for a in artifacts:
        connection.execute(
            "INSERT INTO artifacts (execution, path, name, file, sha256, size, kept_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (execution, a.path, a.name, a.file, a.sha256, a.size, a.kept_at),
        )


def listing(
    connection: sqlite3.Connection, execution_id: str | None, after: str | None, limit: int
) -> Page[ArtifactInfo]:
    clause, values = where(
        {
            "a.execution = (SELECT key FROM executions WHERE id = ?)": execution_id,
            "a.key < ?": number(after, _NEWEST),
        }
    )
    rows = connection.execute(
        "SELECT a.key, e.id, a.path, a.name, a.file, a.sha256, a.size, a.kept_at"
        f" FROM artifacts a JOIN executions e ON e.key = a.execution {clause}"
        f" ORDER BY a.key DESC LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[0], lambda row: ArtifactInfo(*row[1:]))


def newest_of(
    connection: sqlite3.Connection, execution_ids: Sequence[str], each: int
) -> Sequence[ArtifactInfo]:
    rows = connection.execute(
        "SELECT e.id, a.path, a.name, a.file, a.sha256, a.size, a.kept_at"
        " FROM executions e JOIN artifacts a"
        " ON a.execution = e.key AND a.key IN (SELECT key FROM artifacts"
        " WHERE execution = e.key ORDER BY key DESC LIMIT ?)"
        " WHERE e.id IN (SELECT value FROM json_each(?)) ORDER BY a.key DESC",
        (each, encode(list(execution_ids), "A list of ids")),
    )
    return [ArtifactInfo(*row) for row in rows]
