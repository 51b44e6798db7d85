"""What agents remember. What the functions promise stands in the `Memories` port."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.memory import FACTS, TURNS, Fact, MemoryInfo, Turn
from ..records import checked, fetch_size, page, pair, paired
from . import names
from .database import Conflict, begins, where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.stored import Page
    from .database import Batch, Database, Found
    from .names import Clock

_LINE = 700  # bytes of a workflow's name, and of a key, that listings are sorted by


async def add(database: Database, clock: Clock, workflow: str, key: str, turn: Turn) -> None:
    what = f"What {workflow} remembers"
    topic = _topic(workflow, checked(key, "The key"))
    batch = database.batch()
    fields = {
        "of": names.spread(topic, names.digits(clock.next())),
        "document": pack(asdict(turn), what),
    }
    batch.create(database.at(names.TURNS, names.name(f"{topic}\0{turn.id}")), fields)
    _use(database, batch, workflow, key, turn.at)
    with contextlib.suppress(Conflict):  # it is there already
        await database.commit(batch, what)
        await _keep(database, names.TURNS, TURNS, topic)


async def newest(database: Database, workflow: str, key: str, limit: int) -> Sequence[Turn]:
    query = _of(database, names.TURNS, _topic(workflow, key))
    found = await database.find(query.order_by("of", direction="DESCENDING").limit(limit))
    return [Turn(**unpack(each["document"], f"Turn {each.id}")) for each in reversed(found)]


async def put(database: Database, clock: Clock, workflow: str, key: str, fact: Fact) -> None:
    what = f"What {workflow} remembers"
    topic = _topic(workflow, checked(key, "The key"))
    place = database.at(names.FACTS, names.name(f"{topic}\0{fact.name}"))
    if not fact.text:
        await database.clear([place])
        return
    batch = database.batch()
    fields = {
        "of": names.spread(topic, names.digits(clock.next())),
        "document": pack(asdict(fact), what),
    }
    batch.put(place, fields)
    _use(database, batch, workflow, key, fact.at)
    await database.commit(batch, what)
    await _keep(database, names.FACTS, FACTS, topic)


async def noted(database: Database, workflow: str, key: str) -> Sequence[Fact]:
    query = _of(database, names.FACTS, _topic(workflow, key))
    found = await database.find(query.order_by("of", direction="DESCENDING").limit(FACTS))
    return [Fact(**unpack(each["document"], f"Fact {each.id}")) for each in found]


async def listing(
    database: Database, workflow: str | None, after: str | None, limit: int
) -> Page[MemoryInfo]:
    query = database.all(names.MEMORIES)
    if workflow is None:
        query = query.order_by("line")
    else:
        query = begins(query, "line", f"{names.indexed(workflow, _LINE)}\0")
    if after is not None:
        query = where(query, "line", ">", _line(*paired(after)))
    rows = await database.find(query.limit(fetch_size(limit)))
    return page(rows, limit, lambda row: pair(row["workflow"], row["key"]), _info)


async def clear(database: Database, workflow: str, key: str, before: str | None) -> int:
    topic, place = _topic(workflow, key), _place(database, workflow, key)
    (used,) = await database.get(place)
    if before is not None and (used is None or used["at"] >= before):
        return 0
    of_it = []
    for kind in (names.TURNS, names.FACTS):
        found = await database.find(_of(database, kind, topic).select([]))
        of_it += [database.at(kind, each.id) for each in found]
    if before is not None and used is not None:
        batch = database.batch()
        batch.delete(place, used.time)
        try:
            await database.commit(batch, f"What {workflow} remembers")
        except Conflict:  # somebody has just added to it
            return 0
    await database.clear(of_it if before is not None else [*of_it, place])
    return len(of_it)


async def _keep(database: Database, kind: str, most: int, topic: str) -> None:
    query = _of(database, kind, topic)
    surplus = await database.count(query) - most
    if surplus > 0:
        oldest = await database.find(query.order_by("of").select([]).limit(surplus))
        await database.clear([database.at(kind, each.id) for each in oldest])


def _use(database: Database, batch: Batch, workflow: str, key: str, at: str) -> None:
    fields = {"workflow": workflow, "key": key, "at": at, "line": _line(workflow, key)}
    batch.put(_place(database, workflow, key), fields)


def _place(database: Database, workflow: str, key: str) -> Any:
    return database.at(names.MEMORIES, names.name(_topic(workflow, key)))


def _of(database: Database, kind: str, topic: str) -> Any:
    query = where(database.all(kind), "of", ">=", names.spread(topic, ""))
    return where(query, "of", "<", names.spread(topic, names.LAST))


def _topic(workflow: str, key: str) -> str:
    return f"{workflow}\0{key}"


def _line(workflow: str, key: str) -> str:
    return f"{names.indexed(workflow, _LINE)}\0{names.indexed(key, _LINE)}"


def _info(found: Found) -> MemoryInfo:
    return MemoryInfo(found["workflow"], found["key"], found["at"])
