"""What can be wrong between documents, and what beside executions may name blobs.

All of it is read page by page.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..upkeep import Finding
from . import names

if TYPE_CHECKING:
    from .database import Database, Found

_BEGINNING = 3600.0
"""Seconds that an execution may take to begin."""
_PAGE = 300
_LOST = "restore the execution from a backup, or delete the document"


async def find(database: Database) -> AsyncIterator[Finding]:
    async for lease in _without_row(database, names.LEASES, ""):
        yield Finding(f"{names.LEASES}/{lease.id}", "it is the lease of no execution", _LOST)
    async for fence in _without_row(database, names.FENCES, ""):
        if time.time() - fence.time.timestamp() > _BEGINNING:
            yield Finding(
                f"{names.FENCES}/{fence.id}",
                "an execution was begun under that id and cut off",
                "begin or import it once more, or delete the document",
            )
    for collection in (names.QUESTIONS, names.INBOX):
        async for each in _without_row(database, collection, "execution"):
            yield Finding(f"{collection}/{each.id}", "its execution does not exist", _LOST)
    async for row in _rows(database, names.EXECUTIONS):
        if row[0] is None:
            yield Finding(
                f"{names.EXECUTIONS}/{row[1].id}",
                "it has no lease, and nobody can drive it",
                "export it and import it once more, or restore a backup",
            )


async def asides(database: Database) -> AsyncIterator[bytes]:
    for collection, field in (
        (names.CACHE, "document"),
        (names.SIGNALS, "document"),
        (names.INBOX, "told"),
        (names.FIRINGS, "payload"),
        (names.LANES, "document"),
    ):
        async for found in database.walk(database.all(collection).select([field])):
            data = bytes(found[field])
            yield zlib.decompress(data) if data[:1] == b"\x78" else data


async def _without_row(database: Database, collection: str, field: str) -> AsyncIterator[Found]:
    """Documents of executions (named as they are, or in the field) that have no row."""
    page: list[Found] = []
    async for found in database.walk(database.all(collection).select([field] if field else [])):
        page.append(found)
        if len(page) == _PAGE:
            for each in await _lacking(database, page, field):
                yield each
            page = []
    for each in await _lacking(database, page, field):
        yield each


async def _lacking(database: Database, page: list[Found], field: str) -> list[Found]:
    named = [each[field] if field else each.id for each in page]
    places = [database.at(names.EXECUTIONS, name) for name in dict.fromkeys(named)]
    rows = await database.get(*places, only=["status"])
    there = {row.id for row in rows if row is not None}
    return [each for each, name in zip(page, named, strict=True) if name not in there]


async def _rows(database: Database, collection: str) -> AsyncIterator[tuple[Found | None, Found]]:
    """Each execution's lease with its row."""
    page: list[Found] = []

    async def pairs() -> list[tuple[Found | None, Found]]:
        places = [database.at(names.LEASES, each.id) for each in page]
        leases = await database.get(*places, only=["worker"])
        return list(zip(leases, page, strict=True))

    async for found in database.walk(database.all(collection).select([])):
        page.append(found)
        if len(page) == _PAGE:
            for pair in await pairs():
                yield pair
            page.clear()
    for pair in await pairs():
        yield pair
