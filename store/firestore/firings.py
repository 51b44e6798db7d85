"""What came of each time that a trigger fired. The `Firings` port says what is promised.

A listing is sorted by the field that it filters by, so each has a field of its own. What is
looked for by `due`, `closed` or `waits_in` has that field only while it is to be found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...graphs.errors import FiringNotFound, InvalidInput
from ..firing import about, firing_of, firing_texts
from ..records import fetch_size, page, revive, sound
from . import names
from .database import MOST_WRITES, Conflict, again, where
from .values import pack, squeeze, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.firing import Firing, FiringStatus
    from ...graphs.stored import Page
    from .database import Database, Found
    from .revisions import Revisions

_CURSOR = re.compile(r".* [0-9a-f]{32}", re.DOTALL)
_SORTED = ("id", "trigger", "at", "due", "lane")


async def put(database: Database, revisions: Revisions, firing: Firing) -> bool:
    what = f"Firing {firing.id} of {firing.trigger}"
    payload, attributes = (squeeze(text.encode(), what) for text in firing_texts(firing))
    told = {name: getattr(firing, name) for name in _SORTED}
    moment, open = _moment(firing), firing.status.open
    fields = {
        "moment": moment,
        "of_trigger": names.spread(firing.trigger, moment),
        "of_status": f"{firing.status.value}/{moment}",
        "of_outcome": names.spread(_outcome(firing.trigger, firing.status), moment),
        "due": firing.due,
        "closed": None if open else names.indexed(firing.at),
        "waits_in": names.spread(firing.lane) if open and firing.lane else None,
        "document": pack({**told, **about(firing), "status": firing.status.value}, what),
        "payload": payload,
        "attributes": attributes,
    }
    place = database.at(names.FIRINGS, names.name(firing.id))
    return await revisions.put(place, fields, firing.revision, what)


async def find(database: Database, revisions: Revisions, firing_id: str) -> Firing:
    place = database.at(names.FIRINGS, names.name(firing_id))
    (found,) = await database.get(place)
    if found is None:
        raise FiringNotFound.of(firing_id)
    revisions.saw(place, found)
    return _parse(found)


async def of(database: Database, ids: Sequence[str]) -> Sequence[Firing]:
    places = (database.at(names.FIRINGS, names.name(id)) for id in dict.fromkeys(ids))
    return [_parse(found) for found in await database.get(*places) if found is not None]


async def listing(
    database: Database,
    trigger: str | None,
    status: FiringStatus | None,
    after: str | None,
    limit: int,
) -> Page[Firing]:
    size, below = fetch_size(limit), names.LAST if after is None else after
    if after is not None and not _CURSOR.fullmatch(after):
        raise InvalidInput(f"{after!r} is no cursor of this listing; begin without one.")
    if trigger is not None and status is not None:
        of = _outcome(trigger, status)
        field, span = "of_outcome", (names.spread(of, ""), names.spread(of, below))
    elif trigger is not None:
        field, span = "of_trigger", (names.spread(trigger, ""), names.spread(trigger, below))
    elif status is not None:
        field, span = "of_status", (f"{status.value}/", f"{status.value}/{below}")
    else:
        field, span = "moment", ("", below)
    query = where(database.all(names.FIRINGS), field, ">=", span[0])
    query = where(query, field, "<", span[1]).order_by(field, direction="DESCENDING")
    rows = await database.find(query.limit(size))
    return page(rows, limit, lambda row: row["moment"], _parse)


async def due(database: Database, revisions: Revisions, now: float, limit: int) -> Sequence[Firing]:
    query = where(database.all(names.FIRINGS), "due", "<=", now).order_by("due")
    rows = await database.find(query.limit(fetch_size(limit) - 1))
    for row in rows:
        revisions.saw(database.at(names.FIRINGS, row.id), row)
    return [*sound(rows, _parse)]


async def prune(database: Database, before: str) -> int:
    query = where(database.all(names.FIRINGS), "closed", "<", before).order_by("closed")
    query, count, attempt = query.select([]).limit(MOST_WRITES), 0, 0
    while found := await database.find(query):
        batch = database.batch()
        for each in found:
            batch.delete(database.at(names.FIRINGS, each.id), each.time)
        try:
            await database.commit(batch, "Forgetting old firings")
            count += len(found)
        except Conflict:  # one of them was replayed, or others forget them as well
            await again(attempt, "Forgetting old firings")
            attempt += 1
    return count


async def waited_in(database: Database) -> set[str]:
    """The lanes that open firings wait in, as `names.spread` has them."""
    query = where(database.all(names.FIRINGS), "waits_in", ">", "").order_by("waits_in")
    return {found["waits_in"] async for found in database.walk(query.select(["waits_in"]))}


def _moment(firing: Firing) -> str:
    """Sorts by time; those of one moment by what is the same in no two of them."""
    return f"{names.indexed(firing.at, 100)} {names.spread(firing.id)}"


def _outcome(trigger: str, status: FiringStatus) -> str:
    return f"{trigger}\0{status.value}"


def _parse(found: Found) -> Firing:
    what = f"Firing {found.id}"
    rest: dict[str, Any] = {
        "payload": unpack(found["payload"], what),
        "attributes": unpack(found["attributes"], what),
        "revision": found["revision"],
    }
    told = unpack(found["document"], what)
    return revive(lambda: firing_of(told, **rest), what)
