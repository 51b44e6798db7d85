"""The row of each execution. What the functions promise stands in the `Store` port.

A listing is sorted by one field made for it: Firestore sorts by what it filters by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.errors import ExecutionNotFound
from ...graphs.execution import Execution, Status
from ..records import checked, fetch_size, page, revive
from . import names
from .database import where
from .leases import not_found
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .database import Database, Found

_CANDIDATES = 5
_SHARE = 400  # bytes of a workflow's name or of an id in a field that has both


def place(database: Database, execution_id: str) -> Any:
    return database.at(names.EXECUTIONS, names.name(execution_id))


def given(execution: Execution) -> dict[str, Any]:
    """The fields of an execution that begins; raises `InvalidInput` or `StoreError`."""
    id = checked(execution.id, "The execution's id")
    return {
        "id": names.indexed(id),
        "by_workflow": _key(id, execution.workflow),
        "given": pack(execution.given(), f"Execution {id}"),
        **changing(execution),
    }


def changing(execution: Execution) -> dict[str, Any]:
    """The fields that change; raises `StoreError`."""
    id, status = execution.id, execution.status
    pinned = sorted({execution.digest, *execution.pins.values()})
    return {
        "status": status.value,
        "by_status": _key(id, status.value),
        "by_both": _key(id, execution.workflow, status.value),
        # What may not be forgotten while it is open.
        "pinned": None if status.terminal else pinned,
        "changing": pack(execution.row(), f"Execution {id}"),
    }


async def find(database: Database, execution_id: str) -> Execution:
    if not execution_id:
        raise ExecutionNotFound("An empty text names no execution; give an id or its beginning.")
    (found,) = await database.get(place(database, execution_id))
    return _parse(found or await _by_prefix(database, execution_id))


async def of(database: Database, ids: Sequence[str]) -> Sequence[Execution]:
    found = await database.get(*(place(database, id) for id in dict.fromkeys(ids) if id))
    return [_parse(each) for each in found if each is not None]


async def listing(
    database: Database, workflow: str | None, status: str | None, after: str | None, limit: int
) -> Page[Execution]:
    size = fetch_size(limit)
    field = {
        (False, False): "id",
        (True, False): "by_workflow",
        (False, True): "by_status",
        (True, True): "by_both",
    }[workflow is not None, status is not None]
    texts = [text for text in (workflow, status) if text is not None]
    query = database.all(names.EXECUTIONS)
    if texts:
        query = where(query, field, ">=", _key("", *texts))
    end = 2 * names.LAST if after is None else names.indexed(after)
    if texts:
        end = _key(2 * names.LAST if after is None else after, *texts)
    query = where(query, field, "<", end).order_by(field, direction="DESCENDING")
    rows = await database.find(query.limit(size))
    return page([_parse(row) for row in rows], limit, lambda row: row.id, lambda row: row)


async def status(database: Database, execution_id: str) -> Status | None:
    """None: nothing is known under that id."""
    (found,) = await database.get(place(database, execution_id), only=["status"])
    return None if found is None else Status(found["status"])


async def id_at(database: Database, name: str) -> str | None:
    """The id of the execution whose document has that name."""
    (found,) = await database.get(database.at(names.EXECUTIONS, name))
    return None if found is None else _parse(found).id


async def _by_prefix(database: Database, prefix: str) -> Found:
    query = where(database.all(names.EXECUTIONS), "id", ">=", names.indexed(prefix))
    query = where(query, "id", "<", names.indexed(prefix) + names.LAST)
    rows = await database.find(query.order_by("id", direction="DESCENDING").limit(_CANDIDATES + 1))
    if not rows:
        raise not_found(prefix)
    if len(rows) > 1:
        candidates = ", ".join(_parse(row).id for row in rows[:_CANDIDATES])
        more = " and more" if len(rows) > _CANDIDATES else ""
        raise ExecutionNotFound(
            f"Several executions begin with {prefix!r}: {candidates}{more}; give more of the id."
        )
    return rows[0]


def _key(id: str, *texts: str) -> str:
    return "\0".join((*(names.indexed(text, _SHARE) for text in texts), names.indexed(id, _SHARE)))


def _parse(found: Found) -> Execution:
    what = f"Execution {found.id}"
    given, changing = unpack(found["given"], what), unpack(found["changing"], what)
    return revive(lambda: Execution.from_row(given, changing), what)
