"""What can be wrong in the file itself, and what beside executions may name blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import StoreError
from ..upkeep import Finding, Layout
from .database import known_version
from .log import NOBODY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_PAGE = 500
_ASIDES: tuple[tuple[str, str, str, str | int], ...] = (
    ("cache", "document", "key", ""),
    ("signals", "document", "key", 0),
    ("inbox", "data", "id", 0),
    ("firings", "payload", "key", 0),
    ("lanes", "document", "id", ""),
)
"""Table, column, key, and what is below every key."""
_GAPS = """SELECT e.id, j.before, j.first FROM (
        SELECT execution, first,
            ifnull(lag(last) OVER (PARTITION BY execution ORDER BY last), 0) AS before
        FROM journal
    ) j JOIN executions e ON e.key = j.execution WHERE j.first <> j.before + 1 LIMIT 100
"""
_RESTORE = "restore a backup of the file (assay backup FILE makes one)"


def find(connection: sqlite3.Connection, name: str) -> Sequence[Finding]:
    try:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check (100)")]
    except connection.DatabaseError as error:
        return [Finding(name, f"it cannot be read through ({error})", _RESTORE)]
    found = [Finding(name, line, _RESTORE) for line in said if line != "ok"]
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        wrong = f"row {row} of {table} belongs to nothing in {parent}"
        found.append(Finding(name, wrong, _RESTORE))
    (lost,) = connection.execute(
        "SELECT count(*) FROM journal WHERE execution NOT IN (SELECT key FROM executions)"
        " AND execution <> ?",
        (NOBODY,),
    ).fetchone()
    if lost:
        found.append(Finding(name, f"{lost} journal entries belong to no execution", _RESTORE))
    for id, before, first in connection.execute(_GAPS):
        wrong = f"its journal lacks what lies between {before} and {first}"
        found.append(Finding(f"execution {id}", wrong, _RESTORE))
    return found


def asides(
    connection: sqlite3.Connection, table: int, after: object
) -> tuple[Sequence[bytes], object]:
    """Some texts of that table, and where the next begin; None: there are no more."""
    name, column, key, lowest = _ASIDES[table]
    rows = connection.execute(
        f"SELECT {key}, {column} FROM {name} WHERE {key} > ? ORDER BY {key} LIMIT {_PAGE}",
        (lowest if after is None else after,),
    ).fetchall()
    return [row[1].encode() for row in rows], rows[-1][0] if len(rows) == _PAGE else None


TABLES = range(len(_ASIDES))


def layout(connection: sqlite3.Connection) -> Layout:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return Layout(version, known_version())


def layout_of(path: str) -> Layout:
    """Of a file that is not opened as a store, which would bring it up to date.

    Raises `StoreError`.
    """
    import sqlite3

    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return layout(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"The database {path} cannot be read: {error}.") from error
