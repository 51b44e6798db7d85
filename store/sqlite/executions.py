"""The row of each execution. What the functions promise stands in the `Store` port."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphs.errors import ExecutionNotFound
from ...graphs.execution import Execution
from ...graphs.ports import Page
from . import journal
from .records import decode, fetch_size, page

if TYPE_CHECKING:
    import sqlite3

_CANDIDATES = 5
_LAST = "\U0010ffff"  # sorts behind every text with the same beginning


def find(connection: sqlite3.Connection, execution_id: str, *, steps: bool) -> Execution:
    row = connection.execute(
        "SELECT key, id, document FROM executions WHERE id = ?",
        (execution_id,),
    ).fetchone() or _by_prefix(connection, execution_id)
    key, full_id, document = row
    execution = _parse(full_id, document)
    if not steps:
        return execution
    return replace(execution, steps=journal.results(connection, key, full_id))


def listing(
    connection: sqlite3.Connection,
    workflow: str | None,
    status: str | None,
    after: str | None,
    limit: int,
) -> Page[Execution]:
    given = {"workflow = ?": workflow, "status = ?": status, "id < ?": after}
    wanted = {term: value for term, value in given.items() if value is not None}
    where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    rows = connection.execute(
        f"SELECT id, document FROM executions {where} ORDER BY id DESC LIMIT {fetch_size(limit)}",
        tuple(wanted.values()),
    ).fetchall()
    found = page(rows, limit, lambda row: str(row[0]))
    return Page([_parse(*row) for row in found.items], found.cursor)


def _by_prefix(connection: sqlite3.Connection, prefix: str) -> tuple[int, str, str]:
    if not prefix:
        raise ExecutionNotFound("An empty text names no execution; give an id or its beginning.")
    rows: list[tuple[int, str, str]] = connection.execute(
        "SELECT key, id, document FROM executions WHERE id >= ? AND id < ?"
        f" ORDER BY id DESC LIMIT {_CANDIDATES + 1}",
        (prefix, prefix + _LAST),
    ).fetchall()
    if not rows:
        raise ExecutionNotFound(
            f"No execution has the id {prefix!r}; list the executions to see their ids."
        )
    if len(rows) > 1:
        candidates = ", ".join(row[1] for row in rows[:_CANDIDATES])
        more = " and more" if len(rows) > _CANDIDATES else ""
        raise ExecutionNotFound(
            f"Several executions begin with {prefix!r}: {candidates}{more}; give more of the id."
        )
    return rows[0]


def _parse(execution_id: str, document: str) -> Execution:
    return Execution.from_row(decode(document, f"Execution {execution_id}"))
