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
    """The documents of a thread, by their names and those of the chunks that each names.

    They are given in the order in which they may go, those together that must go together:
    a checkpoint with the writes on top of it, after those that were made of it; what is named
    after whatever names it. Whoever ends in the middle leaves nothing that reads wrong.
    """

    checkpoints: Sequence[Document]
    """The newest first."""
    writes: Sequence[Document]
    blobs: Sequence[Document]
    chunks: Sequence[Document]

    @classmethod
    async def of(cls, snapshot: Snapshot, thread: str) -> Self:
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

    def all(self) -> list[list[Name]]:
        groups = (*self._rows(), *([chunk] for chunk in self.chunks))
        return [[document.name for document in group] for group in groups]

    def without(self, thread: str, removes: Sequence[Remove]) -> list[list[Name]]:
        """What goes with these checkpoints and blobs, and all chunks that nothing names then."""
        doomed: set[Name] = set()
        for remove in removes:
            space = remove.namespace
            doomed.update(checkpoint_name(thread, space, id) for id in remove.checkpoints)
            doomed.update(blob_name(thread, space, key) for key in remove.blobs)
        gone: list[list[Name]] = []
        named: set[Name] = set()
        for group in self._rows():
            if group[-1].name in doomed:
                gone.append([document.name for document in group])
                continue
            for document in group:
                named.update(chunk_name(thread, digest) for digest in chunks_apart(document.fields))
        return gone + [[chunk.name] for chunk in self.chunks if chunk.name not in named]

    def _rows(self) -> Iterator[list[Document]]:
        on_top: dict[str, list[Document]] = {}
        for document in self.writes:
            on_top.setdefault(document.fields["of"], []).append(document)
        for checkpoint in self.checkpoints:
            yield [*on_top.pop(checkpoint.name.id, ()), checkpoint]
        yield from on_top.values()  # of checkpoints that are not there (yet)
        yield from ([blob] for blob in self.blobs)
