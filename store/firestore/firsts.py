"""What was said first under a key. What is promised stands in the `Store` port."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ..records import checked
from . import names
from .database import Conflict, again, where

if TYPE_CHECKING:
    from .database import Database

_FORGOTTEN_AT_ONCE = 100


async def first(database: Database, key: str, value: str, expires_at: float) -> str:
    place = database.at(names.FIRSTS, names.name(checked(key, "The key")))
    fields = {"value": value, "expires_at": expires_at}
    attempt = 0
    while True:
        (found,) = await database.get(place)
        if found is not None and found["expires_at"] > time.time():
            return str(found["value"])
        batch = database.batch()
        if found is None:
            batch.create(place, fields)
        else:
            batch.update(place, fields, found.time)
        try:
            await database.commit(batch, f"The key {key!r}")
        except Conflict:  # somebody was first, or an earlier try of this call was
            await again(attempt, f"The key {key!r}")
            attempt += 1
        else:
            return value


async def forget_expired(database: Database) -> None:
    query = where(database.all(names.FIRSTS), "expires_at", "<=", time.time())
    query = query.order_by("expires_at").select([]).limit(_FORGOTTEN_AT_ONCE)
    batch = database.batch()
    for each in await database.find(query):
        batch.delete(database.at(names.FIRSTS, each.id), each.time)
    if len(batch):
        with contextlib.suppress(Conflict):  # one of them was replaced: the next look sees it
            await database.commit(batch, "Forgetting old keys")
