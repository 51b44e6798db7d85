"""The `Rows` port: everything as it was at the moment of the first answer, without a lock."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from ..checkpointing.rows import Query
from .checkpoint_documents import (
    BLOBS,
    CHECKPOINTS,
    CHUNKS,
    WRITES,
    Span,
    blob_key_of,
    blob_name,
    blob_value_of,
    checkpoint_of,
    chunk_name,
    documents_of,
    places,
    run_of,
    thread_name,
    writes_in,
    writes_of,
)
from .database import where
from .parts import Name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
    from datetime import datetime

    from ..checkpointing.rows import BlobKey, Head, Place, Value, Write
    from .database import Database
    from .parts import Fields

_SMALL, _LARGE = 300, 16
"""Documents to read by one call, which has a deadline, by what they may weigh at most."""
_AMONG = 30
"""Values that a query may ask for at once."""


class Document(NamedTuple):
    """A document as it was; `changed` is what a commit may be made to depend on."""

    name: Name
    fields: Fields
    changed: datetime


class Tip(NamedTuple):
    """The document of a thread, which each commit to the thread changes."""

    number: int
    """How many commits there were."""
    by: str
    """The mark of the last one, by which whoever made it knows it again."""
    changed: datetime


class Snapshot:
    """Reads at one moment: Firestore remembers what was there, for an hour.

    What it has read it does not read again: the checkpoints of a page share most values.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at: datetime | None = None
        self._listed: list[str] = []
        self._writes: dict[str, list[Fields]] = {}
        self._blobs: dict[Name, Value] = {}
        self._chunks: dict[Name, bytes] = {}

    async def get(
        self,
        names: Collection[Name],
        only: Sequence[str] | None = None,
        *,
        at_once: int = _SMALL,
    ) -> dict[Name, Document]:
        """Those of the documents that are there, whole or `only` some fields."""
        places = [self._database.at(*name) for name in names]
        found: dict[Name, Document] = {}
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            read = await self._database.snapshots("get", some, only=only, at=self._at)
            self._at = self._at or read[0].read_time
            found.update((_name(each), _document(each)) for each in read if each.exists)
        return found

    async def find(self, query: Any) -> list[Document]:
        read = await self._database.snapshots("query", query, at=self._at)
        if read:
            self._at = self._at or read[0].read_time
        return [_document(each) for each in read]

    async def every(
        self, query: Any, by: str = "__name__", *, at_once: int
    ) -> AsyncGenerator[Document]:
        """All that the query finds, in the order of a field, so many held at a time."""
        rest = query = query.order_by(by)
        while page := await self.find(rest.limit(at_once)):
            for document in page:
                yield document
            if len(page) < at_once:
                return
            last = page[-1]
            after = self._database.at(*last.name) if by == "__name__" else last.fields[by]
            rest = query.start_after({by: after})

    def within(self, collection: str, span: Span, field: str = "__name__") -> Any:
        """A query for the documents of which the field, or else the id, lies in the span."""
        query = self._database.all(collection)
        start, end = map(query.document, span) if field == "__name__" else span
        return where(where(query, field, ">=", start), field, "<", end)

    async def everything(self, thread: str) -> AsyncGenerator[Document]:
        """A thread's documents, each after those that it names, checkpoints by their ids."""
        for collection, at_once in ((CHUNKS, _LARGE), (BLOBS, _SMALL), (WRITES, _LARGE)):
            query = self.within(collection, documents_of(thread))
            async with aclosing(self.every(query, at_once=at_once)) as found:
                async for document in found:
                    yield document
        field, (span,) = places(Query(thread), None)
        query = self.within(CHECKPOINTS, span, field)
        async with aclosing(self.every(query, field, at_once=_LARGE)) as found:
            async for document in found:
                yield document

    async def tip(self, thread: str) -> Tip | None:
        """None where nothing was ever kept, or all was deleted."""
        name = thread_name(thread)
        return tip_of((await self.get([name])).get(name))

    async def head(self, thread: str, namespace: str, id: str | None) -> Head | None:
        heads = await self.heads(Query(thread, namespace, id), after=None, limit=1)
        return heads[0] if heads else None

    async def heads(self, query: Query, *, after: Place | None, limit: int | None) -> list[Head]:
        field, spans = places(query, after)
        queries = [self.within(CHECKPOINTS, span, field) for span in spans]
        if len(queries) > 1:
            found = await self._highest(field, queries, limit)
        elif limit is None:
            found = [document async for document in self.every(queries[0], field, at_once=_SMALL)][
                ::-1
            ]
        else:
            highest = queries[0].order_by(field, direction="DESCENDING")
            found = await self.find(highest.limit(limit))
        heads = [checkpoint_of(document.fields) for document in found]
        self._listed = [writes_of(head.thread, head.namespace, head.id) for head in heads]
        return heads

    async def _highest(self, field: str, queries: list[Any], limit: int | None) -> list[Document]:
        """Of what all queries find. First only their order: a checkpoint may be large."""
        if self._at is None:  # all are to see the same moment
            await self.get([thread_name("")])

        async def highest(query: Any) -> list[Document]:
            query = query.select([field]).order_by(field, direction="DESCENDING")
            return await self.find(query if limit is None else query.limit(limit))

        of_each = await asyncio.gather(*map(highest, queries))
        every = [document for found in of_each for document in found]
        every.sort(key=lambda document: document.fields[field][1:], reverse=True)
        names = [document.name for document in every[:limit]]
        found = await self.get(names, at_once=_LARGE)
        return [found[name] for name in names]

    async def writes(self, thread: str, namespace: str, checkpoint: str) -> list[Write]:
        of = writes_of(thread, namespace, checkpoint)
        if of not in self._writes:
            wanted = [of]
            if of in self._listed:  # whoever asks for those of one will ask for the next ones'
                start = self._listed.index(of)
                wanted = self._listed[start : start + _AMONG]
            self._writes |= {each: [] for each in wanted}
            query = where(self._database.all(WRITES), "of", "in", wanted)
            for document in await self.find(query):
                self._writes[document.fields["of"]].append(document.fields)
        return writes_in(self._writes[of])

    async def blobs(
        self, thread: str, namespace: str, keys: Iterable[BlobKey]
    ) -> dict[BlobKey, Value]:
        names = {key: blob_name(thread, namespace, key) for key in keys}
        found = await self.get(set(names.values()) - self._blobs.keys())
        self._blobs |= {name: blob_value_of(found[name].fields) for name in found}
        return {key: self._blobs[name] for key, name in names.items() if name in self._blobs}

    async def blob_keys(self, thread: str, namespace: str) -> list[BlobKey]:
        query = self.within(BLOBS, documents_of(thread, namespace))
        query = query.select(["row.channel", "row.version"])
        return [
            blob_key_of(document.fields) async for document in self.every(query, at_once=_SMALL)
        ]

    async def chunks(self, thread: str, digests: Collection[bytes]) -> dict[bytes, bytes]:
        names = {digest: chunk_name(thread, digest) for digest in digests}
        found = await self.get(set(names.values()) - self._chunks.keys(), at_once=_LARGE)
        self._chunks |= {name: found[name].fields["data"] for name in found}
        return {digest: self._chunks[n] for digest, n in names.items() if n in self._chunks}

    async def threads_of(self, runs: Collection[str]) -> list[str]:
        found: set[str] = set()
        keys = [run_of(run) for run in runs]
        for start in range(0, len(keys), _AMONG):
            some = keys[start : start + _AMONG]
            query = where(self._database.all(CHECKPOINTS), "run", "in", some)
            documents = await self.find(query.select(["row.thread"]))
            found.update(document.fields["row"]["thread"] for document in documents)
        return sorted(found)


def tip_of(document: Document | None) -> Tip | None:
    if document is None:
        return None
    return Tip(document.fields["number"], document.fields["by"], document.changed)


def _document(snapshot: Any) -> Document:
    return Document(_name(snapshot), snapshot.to_dict() or {}, snapshot.update_time)


def _name(snapshot: Any) -> Name:
    return Name(*snapshot.reference.path.split("/")[-2:])
