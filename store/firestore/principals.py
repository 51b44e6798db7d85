"""Who may ask. What the functions promise stands in the `Store` port.

A document of its own names the owner of each hash of a key, so that no two share one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...graphs.errors import StoreError
from ...graphs.stored import Principal
from ..records import checked, fetch_size, page
from . import names
from .database import Conflict, again, where
from .values import pack, unpack

if TYPE_CHECKING:
    from ...graphs.stored import Page
    from .database import Batch, Database, Found


async def put(database: Database, principal: Principal) -> None:
    id, attempt = checked(principal.id, "The principal's id"), 0
    what = f"Principal {id}"
    given = asdict(principal)
    given["scopes"] = list(principal.scopes)
    document = pack(given, what)
    fields = {"id": names.indexed(id), "key_hash": principal.key_hash, "document": document}
    while True:
        (before,) = await database.get(_place(database, id))
        batch = database.batch()
        if principal.key_hash is not None:
            await _own(database, batch, principal, principal.key_hash)
        if before is None:
            batch.create(_place(database, id), fields)
        else:
            batch.update(_place(database, id), fields, before.time)
            if before.get("key_hash") not in (None, principal.key_hash):
                batch.delete(_key(database, before["key_hash"]))
        try:
            await database.commit(batch, what)
            return
        except Conflict:
            await again(attempt, what)
            attempt += 1


async def find(database: Database, id: str | None, key_hash: str | None) -> Principal | None:
    if id is None:
        if key_hash is None:
            return None
        (key,) = await database.get(_key(database, key_hash))
        if key is None:
            return None
        id = unpack(key["owner"], "The owner of a key")
    (found,) = await database.get(_place(database, str(id)))
    principal = None if found is None else _parse(found)
    if principal is None or key_hash not in (None, principal.key_hash):
        return None
    return principal


async def listing(database: Database, after: str | None, limit: int) -> Page[Principal]:
    size, query = fetch_size(limit), database.all(names.PRINCIPALS)
    if after is not None:
        query = where(query, "id", ">", names.indexed(after))
    rows = await database.find(query.order_by("id").limit(size))
    return page([_parse(row) for row in rows], limit, lambda p: p.id, lambda p: p)


async def delete(database: Database, principal_id: str) -> None:
    (found,) = await database.get(_place(database, principal_id))
    places = [_place(database, principal_id)]
    if found is not None and found.get("key_hash") is not None:
        places.append(_key(database, found["key_hash"]))
    await database.clear(places)


async def _own(database: Database, batch: Batch, principal: Principal, key_hash: str) -> None:
    """Make the key the principal's; raises `StoreError` when it is another's."""
    (key,) = await database.get(_key(database, key_hash))
    owner = None if key is None else unpack(key["owner"], "The owner of a key")
    if key is None:
        fields = {"owner": pack(principal.id, f"Principal {principal.id}")}
        batch.create(_key(database, key_hash), fields)
    elif owner != principal.id:
        raise StoreError(
            f"Principal {principal.id} has the API key of {owner}; give it one of its own."
        )


def _place(database: Database, principal_id: str) -> Any:
    return database.at(names.PRINCIPALS, names.name(principal_id))


def _key(database: Database, key_hash: str) -> Any:
    return database.at(names.KEYS, names.name(key_hash))


def _parse(found: Found) -> Principal:
    data = unpack(found["document"], f"Principal {found.id}")
    return Principal(**{**data, "scopes": tuple(data["scopes"])})
