"""The port of a checkpointer's back end: the rows it keeps, and what it owes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Version: TypeAlias = str | int | float
BlobKey: TypeAlias = tuple[str, Version]
"""A channel and its version. Within a namespace it names one blob, which never changes."""


# Rows are named tuples and no dataclasses: hundreds are made a step, and they bind as they are.


class Value(NamedTuple):
    """Serialized bytes as a row keeps them."""

    type: str
    """How they were serialized, as the serializer calls it."""
    digests: bytes
    """SHA-256 of each chunk, 32 bytes each, one after the other."""
    data: bytes | None
    """The only chunk where it is small; None where the chunks lie apart."""


class Head(NamedTuple):
    """A checkpoint without the values of its channels."""

    thread: str
    namespace: str
    id: str
    parent: str | None
    run: str | None
    """The run that made it, by which it may be deleted."""
    value: Value


class Blob(NamedTuple):
    """What a channel held at a version."""

    namespace: str
    channel: str
    version: Version
    value: Value


class Write(NamedTuple):
    """What a node wrote on top of a checkpoint, not yet part of the next one."""

    namespace: str
    checkpoint: str
    node: str
    """LangGraph's task id."""
    position: int
    """Its place among the node's writes; negative for the special ones, which overwrite."""
    path: str
    channel: str
    value: Value


class Place(NamedTuple):
    """Where in a listing to go on."""

    id: str
    thread: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Put:
    """Keep a checkpoint, replacing one of that id."""

    head: Head
    blobs: Sequence[Blob]
    chunks: Mapping[bytes, bytes]
    relies: Sequence[BlobKey]
    """The blobs it holds that were kept before. Where its parent is there, they are too."""


@dataclass(frozen=True, slots=True)
class PutWrites:
    """Keep writes. Of those with a position of 0 and more the first is kept, of others the last."""

    writes: Sequence[Write]
    chunks: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Remove:
    """Forget checkpoints with their writes, and blobs; and every chunk that is then unused."""

    namespace: str
    checkpoints: Collection[str]
    blobs: Collection[BlobKey]


Change: TypeAlias = Put | PutWrites | Remove


@dataclass(frozen=True, slots=True)
class Query:
    """Which checkpoints to list; None does not restrict."""

    thread: str | None = None
    namespace: str | None = None
    id: str | None = None
    before: str | None = None
    """Only ids below this one."""


class Rows(Protocol):
    """One consistent view of what is kept."""

    async def head(self, thread: str, namespace: str, id: str | None) -> Head | None:
        """The checkpoint of that id; of None, the one with the highest id."""

    async def heads(self, query: Query, *, after: Place | None, limit: int | None) -> list[Head]:
        """From the highest id down, and of one id from the highest thread and namespace down."""

    async def writes(self, thread: str, namespace: str, checkpoint: str) -> list[Write]:
        """In any order."""

    async def blobs(
        self, thread: str, namespace: str, keys: Iterable[BlobKey]
    ) -> Mapping[BlobKey, Value]:
        """Those that are there."""

    async def blob_keys(self, thread: str, namespace: str) -> list[BlobKey]: ...

    async def chunks(self, thread: str, digests: Collection[bytes]) -> Mapping[bytes, bytes]:
        """Those that are there, unverified."""

    async def threads_of(self, runs: Collection[str]) -> list[str]:
        """The threads that hold checkpoints of these runs."""


class Checkpoints(Protocol):
    """Where checkpoints are kept. Every id may be any text; no two may ever collide.

    A chunk is at most `values.CHUNK` bytes. Chunks are shared inside one thread, never between
    two: deleting a thread deletes all of it. Every method raises `StoreError` when the store
    cannot be read or written.
    """

    async def read(self, work: Callable[[Rows], Coroutine[Any, Any, T]]) -> T:
        """What the work returns or raises. It awaits nothing but the rows' methods."""

    async def write(self, thread: str, changes: Sequence[Change]) -> None:
        """Make the changes, all or none, in that order; return when they are durable.

        Raises `StoreError` when a blob that a `Put` relies on is gone.
        """

    async def revise(
        self, thread: str, work: Callable[[Rows], Coroutine[Any, Any, Sequence[Change]]]
    ) -> None:
        """Make the changes that the work returns, with nothing written between it and them."""

    async def delete(self, thread: str) -> None: ...

    async def copy(self, source: str, target: str) -> None:
        """Raises `StoreError` when the target holds anything."""
