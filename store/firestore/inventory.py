"""Which documents a thread has: what is to be read before any are deleted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ..checkpointing.rows import Query
from .checkpoint_documents import (
    BLOBS,
    CHECKPOINTS,
    CHUNKS,
    WRITES,
    blob_name,
    checkpoint_name,
    chunk_name,
    chunks_apart,
    documents_of,
    places,
    writes_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..checkpointing.rows import Remove
    from .parts import Name
    from .snapshot import Document, Snapshot


_NAMES = 1000
"""Documents to read by one call where little more than their names is read."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents in the order in which they may go.

    A checkpoint goes after those that were made of it, and what is named after whatever names
    it: whoever ends in the middle leaves nothing that cannot be read.
    """

    checkpoints: Sequence[Document]
    writes: Sequence[Document]
    blobs: Sequence[Document]
    chunks: Sequence[Document]

    @classmethod
    async def of(cls, snapshot: Snapshot, thread: str) -> Self:
        """Only their names, and those of the chunks that each names."""
        ids = documents_of(thread)
        field, (span,) = places(Query(thread), None)

        async def found(query: Any, fields: Sequence[str], by: str = "__name__") -> list[Document]:
            every = snapshot.every(query.select(fields), by, at_once=_NAMES)
            return [document async for document in every]

        checkpoints, writes, blobs, chunks = await asyncio.gather(
            found(snapshot.within(CHECKPOINTS, span, field), ["apart", field], field),
            found(snapshot.within(WRITES, ids), ["of", "apart"]),
            found(snapshot.within(BLOBS, ids), ["apart"]),
            found(snapshot.within(CHUNKS, ids), []),
        )
        return cls(checkpoints[::-1], writes, blobs, chunks)

    def all(self) -> list[Name]:
        return [document.name for document in (*self._rows(), *self.chunks)]

    def without(self, thread: str, removes: Sequence[Remove]) -> list[Name]:
        """What goes with these checkpoints and blobs, and all chunks that nothing names then."""
        doomed = {
            checkpoint_name(thread, remove.namespace, id)
            for remove in removes
            for id in remove.checkpoints
        }
        doomed |= {
            blob_name(thread, remove.namespace, key) for remove in removes for key in remove.blobs
        }
        of = {
            writes_of(thread, remove.namespace, id)
            for remove in removes
            for id in remove.checkpoints
        }
        gone: list[Name] = []
        named: set[Name] = set()
        for document in self._rows():
            if document.name in doomed or document.fields.get("of") in of:
                gone.append(document.name)
            else:
                named.update(chunk_name(thread, digest) for digest in chunks_apart(document.fields))
        return gone + [chunk.name for chunk in self.chunks if chunk.name not in named]

    def _rows(self) -> Iterator[Document]:
        yield from self.checkpoints
        yield from self.writes
        yield from self.blobs
