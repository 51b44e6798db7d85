"""The row of each execution. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import ExecutionNotFound, NotPossible
from ...graphs.execution import Execution, Status
from ..records import decode, encode, fetch_size, page, revive, where
from . import log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ...graphs.stored import Page

_CANDIDATES = 5
_LAST = "\U0010ffff"  # sorts behind every text with the same beginning


def given(execution: Execution) -> str:
    """The part that never changes, as JSON text; raises `StoreError`."""
    return encode(execution.given(), f"Execution {execution.id}")


def changing(execution: Execution) -> str:
    """The part that changes, as JSON text; raises `StoreError`."""
    return encode(execution.row(), f"Execution {execution.id}")


def find(connection: sqlite3.Connection, execution_id: str) -> Execution:
    row = connection.execute(
        "SELECT id, given, changing FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    return _parse(row or _by_prefix(connection, execution_id))


def listing(
    connection: sqlite3.Connection,
    workflow: str | None,
    status: str | None,
    after: str | None,
    limit: int,
) -> Page[Execution]:
    clause, values = where({"workflow = ?": workflow, "status = ?": status, "id < ?": after})
    rows = connection.execute(
        f"SELECT id, given, changing FROM executions {clause}"
        f" ORDER BY id DESC LIMIT {fetch_size(limit)}",
        values,
    ).fetchall()
    return page(rows, limit, lambda row: row[0], _parse)


def of(connection: sqlite3.Connection, ids: Sequence[str]) -> Sequence[Execution]:
    rows = connection.execute(
        "SELECT id, given, changing FROM executions WHERE id IN (SELECT value FROM json_each(?))",
        (encode(list(ids), "A list of ids"),),
    )
    return [_parse(row) for row in rows]


def delete(connection: sqlite3.Connection, execution_id: str) -> None:
    row = connection.execute(
        "SELECT key, status FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    if row is None:
        raise not_found(execution_id)
    key, status = row
    if not Status(status).terminal:
        raise NotPossible(f"Execution {execution_id} is {status}; stop it before you delete it.")
    log.forget(connection, key)
    connection.execute("DELETE FROM checkpoint_threads WHERE id = ?", (execution_id,))
    connection.execute("DELETE FROM executions WHERE key = ?", (key,))


def has_ended(connection: sqlite3.Connection, execution_id: str) -> bool:
    """Is nothing going on under that id? So too when nothing is known of it."""
    row = connection.execute(
        "SELECT status FROM executions WHERE id = ?", (execution_id,)
    ).fetchone()
    return row is None or Status(row[0]).terminal


def not_found(execution_id: str) -> ExecutionNotFound:
    return ExecutionNotFound.of(execution_id)


def _by_prefix(connection: sqlite3.Connection, prefix: str) -> tuple[str, str, str]:
    if not prefix:
        raise ExecutionNotFound("An empty text names no execution; give an id or its beginning.")
    rows: list[tuple[str, str, str]] = connection.execute(
        "SELECT id, given, changing FROM executions WHERE id >= ? AND id < ?"
        f" ORDER BY id DESC LIMIT {_CANDIDATES + 1}",
        (prefix, prefix + _LAST),
    ).fetchall()
    if not rows:
        raise not_found(prefix)
    if len(rows) > 1:
        candidates = ", ".join(row[0] for row in rows[:_CANDIDATES])
        more = " and more" if len(rows) > _CANDIDATES else ""
        raise ExecutionNotFound(
            f"Several executions begin with {prefix!r}: {candidates}{more}; give more of the id."
        )
    return rows[0]


def _parse(row: tuple[str, str, str]) -> Execution:
    what = f"Execution {row[0]}"
    given, changing = decode(row[1], what), decode(row[2], what)
    return revive(lambda: Execution.from_row(given, changing), what)
