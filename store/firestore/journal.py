"""Journals: the entries of an execution, each a document named by the last number in it.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING, Any

from ...graphs.errors import StateCorrupted, StoreError
from ...graphs.stored import Entry, Page
from ..records import fetch_size
from . import names
from .database import NOW, where
from .values import MOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Batch, Database, Found

_SMALL = 8_000  # bytes that are not worth the time to compress them


class Written:
    """An entry on its way into the journal, encoded when this is made.

    What is too large for one document is cut into parts, which are there before the entry is.
    It says who wrote it: `worker`, under which `epoch` of the lease (0: as it began).
    """

    def __init__(
        self, database: Database, execution_id: str, entry: Entry, worker: str, epoch: int
    ) -> None:
        """Raises `StoreError` when the entry is numbered as none can be."""
        if not 0 < entry.first <= entry.last:
            raise StoreError(
                f"Execution {execution_id} was given an entry from {entry.first} to "
                f"{entry.last}; what is durable is numbered from 1."
            )
        self.first, self.last = entry.first, entry.last
        self.data = entry.data
        self._written_by = {"worker": worker, "epoch": epoch}
        journal = (names.JOURNAL, names.name(execution_id))
        id = names.digits(entry.last)
        self.place = database.at(*journal, names.ENTRIES, id)
        data = zlib.compress(entry.data, 1) if len(entry.data) > _SMALL else entry.data
        self._zipped = data is not entry.data
        # Of its own, so that a late writer who has lost the lease spoils nobody's.
        stem = f"{id}-{secrets.token_hex(8)}"
        cut = [data[at : at + MOST] for at in range(0, len(data), MOST)] if data else [b""]
        self._whole = cut[0] if len(cut) == 1 else None
        ids = () if self._whole is not None else [f"{stem}-{n:04}" for n in range(len(cut))]
        self._parts = list(ids)
        self.parts = [
            (database.at(*journal, names.PARTS, id), part)
            for id, part in zip(ids, cut, strict=False)
        ]

    @property
    def size(self) -> int:
        return 500 + len(self._whole or b"")

    def create(self, batch: Batch, *, follows: bool = False) -> None:
        """`follows`: it is the first of those that begin an execution, save what was `put`."""
        fields = {**self._fields(), "at": NOW, "follows": follows}
        batch.stamped[batch.create(self.place, fields)] = self.place

    def put(self, batch: Batch) -> None:
        """Ahead of an execution's beginning: nothing can be there yet, save from an earlier try.

        Nobody has committed it before the execution begins, so that it has no time.
        """
        batch.put(self.place, self._fields())

    def _fields(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "last": self.last,
            "zipped": self._zipped,
            "parts": self._parts,
            "data": self._whole,
            **self._written_by,
        }


async def put_parts(database: Database, entries: Sequence[Written], most: int) -> None:
    """Write the parts of large entries; nobody sees them until their entries are there."""
    batch = database.batch()
    for entry in entries:
        for place, part in entry.parts:
            if len(batch) and batch.size + len(part) > most:
                await database.commit(batch, "Keeping a large entry")
                batch = database.batch()
            batch.put(place, {"data": part})
    if len(batch):
        await database.commit(batch, "Keeping a large entry")


async def entries(database: Database, execution_id: str, after: int, limit: int) -> Page[Entry]:
    size = fetch_size(limit)
    query = _after(database, execution_id, after).limit(size)
    found = await database.find(query)
    # One page after the other, so that a large one does not have to fit into memory twice.
    shown = found[:limit]
    items = [await parse(database, execution_id, each) for each in shown]
    return Page(items, str(shown[-1]["last"]) if len(found) > limit else None)


async def some(
    database: Database, execution_id: str, after: int, most: int | None
) -> Sequence[Entry]:
    """The entries that hold a later number, so many at most."""
    query = _after(database, execution_id, after)
    found = await database.find(query if most is None else query.limit(most))
    return [await parse(database, execution_id, each) for each in found]


async def last(database: Database, execution_id: str) -> int:
    """The highest number in the journal; 0 when it is empty."""
    query = _all(database, execution_id).select(["last"])
    found = await database.find(query.order_by("last", direction="DESCENDING").limit(1))
    return int(found[0]["last"]) if found else 0


async def overlapped(database: Database, execution_id: str, written: Written) -> Entry | None:
    """The entry that has the place of this one, if there is one."""
    found = await database.find(_after(database, execution_id, written.first - 1).limit(1))
    if not found or found[0]["first"] > written.last:
        return None
    return await parse(database, execution_id, found[0])


async def places(database: Database, execution_id: str) -> list[Any]:
    """Where its documents lie, parts behind the entries that name them."""
    journal = (names.JOURNAL, names.name(execution_id))
    return [
        database.at(*journal, collection, each.id)
        for collection in (names.ENTRIES, names.PARTS)
        for each in await database.find(database.all(*journal, collection).select([]))
    ]


def _all(database: Database, execution_id: str) -> Any:
    return database.all(names.JOURNAL, names.name(execution_id), names.ENTRIES)


def _after(database: Database, execution_id: str, number: int) -> Any:
    """Entries that hold a later number, in order."""
    return where(_all(database, execution_id), "last", ">", max(number, 0)).order_by("last")


async def parse(database: Database, execution_id: str, found: Found) -> Entry:
    """The entry of a document as it was read."""
    data = found.get("data", b"")
    if found["parts"]:
        journal = (names.JOURNAL, names.name(execution_id))
        places = [database.at(*journal, names.PARTS, id) for id in found["parts"]]
        parts = await database.get(*places)
        data = b"".join(b"" if part is None else part["data"] for part in parts)
    try:
        if found["zipped"]:
            data = zlib.decompress(data)
    except zlib.error as error:
        raise StateCorrupted(
            f"The entry {found.id} of execution {execution_id} is damaged in the store: {error}."
        ) from error
    return Entry(found["first"], found["last"], data)
