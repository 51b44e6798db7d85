"""What firings of one key share. What the functions promise stands in the `Firings` port."""

from __future__ import annotations

import contextlib
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

from ...graphs.firing import Lane
from ..firing import lane_text
from ..records import fetch_size, page, revive
from . import firings, names
from .database import MOST_WRITES, Conflict, where
from .values import pack, unpack

if TYPE_CHECKING:
    from ...graphs.stored import Page
    from .database import Database, Found
    from .revisions import Revisions


async def put(database: Database, revisions: Revisions, lane: Lane) -> bool:
    lane_text(lane)
    what = f"Lane {lane.id} of {lane.trigger}"
    fields = {
        "id": names.indexed(lane.id),
        "of": names.spread(lane.trigger),
        "key": names.spread(lane.id),  # as firings name it that wait in it
        "idle": None if lane.lasting else names.indexed(lane.at),
        "document": pack({each.name: getattr(lane, each.name) for each in fields_of(lane)}, what),
    }
    place = database.at(names.LANES, names.name(lane.id))
    return await revisions.put(place, fields, lane.revision, what)


async def find(database: Database, revisions: Revisions, lane_id: str) -> Lane | None:
    place = database.at(names.LANES, names.name(lane_id))
    (found,) = await database.get(place)
    if found is None:
        return None
    revisions.saw(place, found)
    return _parse(found)


async def listing(database: Database, after: str | None, limit: int) -> Page[Lane]:
    size, query = fetch_size(limit), database.all(names.LANES)
    if after is not None:
        query = where(query, "id", ">", names.indexed(after))
    rows = await database.find(query.order_by("id").limit(size))
    return page([_parse(row) for row in rows], limit, lambda lane: lane.id, lambda lane: lane)


async def places(database: Database, trigger_id: str) -> list[Any]:
    """Where those of a trigger lie."""
    query = where(database.all(names.LANES), "of", "==", names.spread(trigger_id))
    return [database.at(names.LANES, each.id) for each in await database.find(query.select([]))]


async def prune(database: Database, before: str) -> None:
    needed = await firings.waited_in(database)
    query = where(database.all(names.LANES), "idle", "<", before).order_by("idle")
    old = [
        found async for found in database.walk(query.select(["key"])) if found["key"] not in needed
    ]
    for start in range(0, len(old), MOST_WRITES):
        batch = database.batch()
        for each in old[start : start + MOST_WRITES]:
            batch.delete(database.at(names.LANES, each.id), each.time)
        with contextlib.suppress(Conflict):  # one of them is in use again: the rest, next time
            await database.commit(batch, "Forgetting old lanes")


def _parse(found: Found) -> Lane:
    what = f"Lane {found.id}"
    told = unpack(found["document"], what)
    return revive(lambda: Lane(**told), what)
