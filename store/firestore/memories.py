"""What agents remember. What the functions promise stands in the `Memories` port."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.memory import Turn
from ..records import checked
from . import names
from .database import Conflict, where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database
    from .names import Clock


async def add(database: Database, clock: Clock, workflow: str, key: str, turn: Turn) -> None:
    what = f"What {workflow} remembers"
    topic = _topic(workflow, checked(key, "The key"))
    batch = database.batch()
    fields = {
        "of": names.spread(topic, names.digits(clock.next())),
        "document": pack(asdict(turn), what),
    }
    batch.create(database.at(names.TURNS, names.name(f"{topic}\0{turn.id}")), fields)
    with contextlib.suppress(Conflict):  # it is there already
        await database.commit(batch, what)


async def newest(database: Database, workflow: str, key: str, limit: int) -> Sequence[Turn]:
    query = _of(database, workflow, key).order_by("of", direction="DESCENDING").limit(limit)
    found = await database.find(query)
    return [Turn(**unpack(each["document"], f"Turn {each.id}")) for each in reversed(found)]


async def clear(database: Database, workflow: str, key: str) -> int:
    found = await database.find(_of(database, workflow, key).select([]))
    await database.clear([database.at(names.TURNS, each.id) for each in found])
    return len(found)


def _of(database: Database, workflow: str, key: str) -> Any:
    topic = _topic(workflow, key)
    query = where(database.all(names.TURNS), "of", ">=", names.spread(topic, ""))
    return where(query, "of", "<", names.spread(topic, names.LAST))


def _topic(workflow: str, key: str) -> str:
    return f"{workflow}\0{key}"
