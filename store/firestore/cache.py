"""Step results kept by cache key. What the functions promise stands in the `Store` port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...graphs.execution import StepResult
from ..records import checked, encode, revive
from . import names
from .database import begins, where
from .values import pack, unpack

if TYPE_CHECKING:
    from .database import Database

_FORGOTTEN_AT_ONCE = 100
_PREFIX = 300  # characters of a beginning that a query can look for


async def get(database: Database, key: str) -> StepResult | None:
    (found,) = await database.get(database.at(names.CACHE, names.name(key)))
    if found is None or found.get("expires_at", time.time() + 1) <= time.time():
        return None
    what = f"Cache entry {key}"
    data = unpack(found["document"], what)["result"]
    return revive(lambda: StepResult.from_dict(data), what)


async def put(database: Database, key: str, result: StepResult, ttl: float | None) -> None:
    what = f"The result of step {result.path}"
    encode(result.to_dict(), what)
    fields = {
        "key": names.indexed(checked(key, "The cache key")),
        "path": names.indexed(result.path),
        "expires_at": None if ttl is None else time.time() + ttl,
        "document": pack({"key": key, "result": result.to_dict()}, what),
    }
    batch = database.batch()
    batch.put(database.at(names.CACHE, names.name(key)), fields)
    await database.commit(batch, what)


async def forget_expired(database: Database) -> None:
    query = where(database.all(names.CACHE), "expires_at", "<=", time.time())
    query = query.order_by("expires_at").select([]).limit(_FORGOTTEN_AT_ONCE)
    found = await database.find(query)
    await database.clear([database.at(names.CACHE, each.id) for each in found])


async def count(database: Database) -> int:
    expired = where(database.all(names.CACHE), "expires_at", "<=", time.time())
    return await database.count(database.all(names.CACHE)) - await database.count(expired)


async def invalidate(database: Database, prefix: str) -> int:
    fitting = {}
    for field in ("key", "path"):
        query = begins(database.all(names.CACHE), field, prefix[:_PREFIX])
        for each in await database.find(query):
            entry = unpack(each["document"], f"Cache entry {each.id}")
            if (entry["key"] if field == "key" else entry["result"]["path"]).startswith(prefix):
                fitting[each.id] = database.at(names.CACHE, each.id)
    await database.clear(list(fitting.values()))
    return len(fitting)
