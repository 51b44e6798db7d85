"""What starts executions by the clock. The `Store` port says what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.stored import Schedule
from ..records import checked, fetch_size, page
from . import names
from .database import Conflict, where
from .values import pack, unpack

if TYPE_CHECKING:
    from ...graphs.stored import Page
    from .database import Database, Found


async def put(database: Database, schedule: Schedule) -> bool:
    id = checked(schedule.id, "The schedule")
    what = f"Schedule {id}"
    document = {
        "id": id,
        "workflow": schedule.workflow,
        "next_at": schedule.next_at,
        "document": schedule.document,
    }
    fields = {
        "id": names.indexed(id),
        "enabled": schedule.enabled,
        "due": schedule.next_at if schedule.enabled else None,
        "revision": schedule.revision,
        "document": pack(document, what),
    }
    place, batch = _place(database, id), database.batch()
    if schedule.revision == 0:
        batch.create(place, fields)
    else:
        (found,) = await database.get(place)
        if found is None or found["revision"] != schedule.revision - 1:
            return False
        batch.update(place, fields, found.time)
    try:
        await database.commit(batch, what)
    except Conflict as conflict:
        return conflict.unsure and await _is_kept(database, place, fields)
    return True


async def listing(
    database: Database, due: float | None, after: str | None, limit: int
) -> Page[Schedule]:
    size, above = fetch_size(limit), None if after is None else names.indexed(after)
    query = database.all(names.SCHEDULES)
    if due is None:
        if above is not None:
            query = where(query, "id", ">", above)
        rows = await database.find(query.order_by("id").limit(size))
    else:
        rows = await database.find(where(query, "due", "<=", due).order_by("due"))
        rows = sorted((r for r in rows if r["id"] > (above or "")), key=lambda r: str(r["id"]))
    return page([_parse(row) for row in rows], limit, lambda s: s.id, lambda s: s)


async def delete(database: Database, schedule_id: str) -> None:
    await database.clear([_place(database, schedule_id)])


def _place(database: Database, schedule_id: str) -> Any:
    return database.at(names.SCHEDULES, names.name(schedule_id))


async def _is_kept(database: Database, place: Any, fields: dict[str, Any]) -> bool:
    (found,) = await database.get(place)
    return found is not None and all(
        found.get(name) == value for name, value in fields.items() if value is not None
    )


def _parse(found: Found) -> Schedule:
    data = unpack(found["document"], f"Schedule {found.id}")
    return Schedule(
        data["id"],
        data["workflow"],
        found["enabled"],
        data["next_at"],
        data["document"],
        found["revision"],
    )
