"""What starts executions. What the functions promise stands in the `Firings` port."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

from ...graphs.errors import TriggerNotFound
from ...graphs.firing import Trigger
from ...graphs.stored import Page
from ..firing import due_cursor, due_place, one_of, trigger_texts
from ..records import fetch_size, page, revive, sound
from . import lanes, names
from .database import where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database, Found
    from .revisions import Revisions


async def put(database: Database, revisions: Revisions, trigger: Trigger) -> bool:
    trigger_texts(trigger)
    what, id = f"Trigger {trigger.id}", names.indexed(trigger.id)
    told = {each.name: getattr(trigger, each.name) for each in fields_of(trigger)}
    fields = {
        "id": id,
        "of_workflow": names.spread(trigger.workflow, id),
        "of_type": names.spread(trigger.type, id),
        "due": trigger.next_at if trigger.enabled else None,
        "document": pack(told, what),
    }
    place = database.at(names.TRIGGERS, names.name(trigger.id))
    return await revisions.put(place, fields, trigger.revision, what)


async def find(database: Database, revisions: Revisions, trigger_id: str) -> Trigger:
    place = database.at(names.TRIGGERS, names.name(trigger_id))
    (found,) = await database.get(place)
    if found is None:
        raise TriggerNotFound.of(trigger_id)
    revisions.saw(place, found)
    return _parse(found)


async def of(database: Database, ids: Sequence[str]) -> Sequence[Trigger]:
    places = (database.at(names.TRIGGERS, names.name(id)) for id in dict.fromkeys(ids))
    return [_parse(found) for found in await database.get(*places) if found is not None]


async def listing(
    database: Database,
    workflow: str | None,
    type: str | None,
    due: float | None,
    after: str | None,
    limit: int,
) -> Page[Trigger]:
    one_of(workflow, type, due)
    size, every = fetch_size(limit), database.all(names.TRIGGERS)
    if due is not None:
        query = where(every, "due", "<=", due).order_by("due").order_by("__name__")
        if after is not None:
            at, name = due_place(after)
            place = database.at(names.TRIGGERS, name)
            query = query.start_after({"due": at, "__name__": place})
    elif workflow is not None:
        query = _belonging(every, "of_workflow", workflow, after)
    elif type is not None:
        query = _belonging(every, "of_type", type, after)
    else:
        query = every if after is None else where(every, "id", ">", names.indexed(after))
        query = query.order_by("id")
    rows = await database.find(query.limit(size))
    if due is None:
        found = [_parse(row) for row in rows]
        return page(found, limit, lambda trigger: trigger.id, lambda trigger: trigger)
    some = page(rows, limit, lambda row: due_cursor(row["due"], row.id), lambda row: row)
    return Page([*sound(some.items, _parse)], some.cursor)


async def delete(database: Database, trigger_id: str) -> None:
    theirs = await lanes.places(database, trigger_id)
    await database.clear([*theirs, database.at(names.TRIGGERS, names.name(trigger_id))])


def _belonging(every: Any, field: str, of: str, after: str | None) -> Any:
    begin = "" if after is None else names.indexed(after)
    query = where(every, field, ">", names.spread(of, begin))
    return where(query, field, "<", names.spread(of, names.LAST)).order_by(field)


def _parse(found: Found) -> Trigger:
    what = f"Trigger {found.id}"
    told = unpack(found["document"], what)
    return revive(lambda: Trigger(**told), what)
