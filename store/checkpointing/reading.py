"""From rows back to checkpoints: every byte verified, every loss reported by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from langgraph.checkpoint.base import CheckpointTuple, writes_sort_key

from ...graphs.errors import AssayError, ConfigurationError, StateCorrupted
from .rows import BlobKey, Query, Version
from .values import apart, decode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointMetadata, DeltaChannelHistory, PendingWrite
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .rows import Head, Place, Rows, Value, Write


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A checkpoint without the values of its channels."""

    head: Head
    fields: Mapping[str, Any]
    """Of LangGraph's `Checkpoint`: all but the values and versions of the channels."""
    held: Mapping[str, Version]
    """The channels that have a value, each with the version that its blob is kept under."""
    bare: Mapping[str, Version]
    """The other channels: emptied since, or rebuilt from the writes of ancestors."""
    metadata: CheckpointMetadata


def config_of(thread: str, namespace: str, id: str) -> RunnableConfig:
    """How LangGraph names a checkpoint."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": id}}


class Reading:
    """One look at what is kept. Its methods raise `StateCorrupted` where something is lost."""

    def __init__(self, rows: Rows, serde: SerializerProtocol) -> None:
        self.rows = rows
        self._serde = serde

    async def find(self, thread: str, namespace: str, id: str | None) -> CheckpointTuple | None:
        """The checkpoint of that id; of None, the latest."""
        head = await self.rows.head(thread, namespace, id)
        if head is None:
            return None
        (found,) = await self._whole(await self.skeletons([head]))
        return found

    async def page(
        self, query: Query, filter: Mapping[str, Any], *, after: Place | None, limit: int
    ) -> tuple[list[CheckpointTuple], list[Head]]:
        """The next checkpoints whose metadata fits the filter, and all that were looked at."""
        heads = await self.rows.heads(query, after=after, limit=limit)
        fitting = []
        for skeleton in await self.skeletons(heads):
            metadata: Mapping[str, Any] = skeleton.metadata
            if all(metadata.get(key) == value for key, value in filter.items()):
                fitting.append(skeleton)
        return await self._whole(fitting), heads

    async def skeletons(self, heads: Sequence[Head]) -> list[Skeleton]:
        found = await self._decode([_Stored(head, "", head.value) for head in heads])
        return [
            Skeleton(head, fields, held, bare, metadata)
            for head, (fields, held, bare, metadata) in zip(heads, found, strict=True)
        ]

    async def history(
        self, thread: str, namespace: str, id: str | None, channels: Sequence[str]
    ) -> dict[str, DeltaChannelHistory]:
        """What each channel is to be rebuilt from: the nearest value kept, the writes since."""
        writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        seeds: dict[str, Any] = {}
        open = set(channels)
        target = await self.rows.head(thread, namespace, id)
        if target is not None:
            walked = {target.id}  # a checkpoint that was put twice may be its own ancestor
            parent = target.parent
            while parent is not None and parent not in walked and open:
                head = await self.rows.head(thread, namespace, parent)
                if head is None:
                    why = f"ancestor {parent}, from which it is rebuilt, is gone"
                    raise _corrupted(target, open, why)
                (pending,) = await self._writes([head], open)
                for write in reversed(pending):
                    writes[write[1]].append(write)
                (values,) = await self._values(await self.skeletons([head]), open)
                seeds |= values
                open -= seeds.keys()
                walked.add(parent)
                parent = head.parent
        found: dict[str, DeltaChannelHistory] = {}
        for channel in channels:
            found[channel] = {"writes": writes[channel][::-1]}
            if channel in seeds:
                found[channel]["seed"] = seeds[channel]
        return found

    async def _whole(self, skeletons: Sequence[Skeleton]) -> list[CheckpointTuple]:
        """All of them together: a store that is far away is asked as seldom as for one."""
        values = await self._values(skeletons)
        writes = await self._writes([skeleton.head for skeleton in skeletons])
        return list(map(_tuple, skeletons, values, writes))

    async def _values(
        self, skeletons: Sequence[Skeleton], channels: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """Of each the values of its channels, or of those of `channels`, that have one."""
        keys: list[list[BlobKey]] = [
            [key for key in skeleton.held.items() if channels is None or key[0] in channels]
            for skeleton in skeletons
        ]
        wanted: dict[tuple[str, str], dict[BlobKey, None]] = {}
        for skeleton, some in zip(skeletons, keys, strict=True):
            if some:
                head = skeleton.head
                wanted.setdefault((head.thread, head.namespace), {}).update(dict.fromkeys(some))
        blobs = {place: await self.rows.blobs(*place, some) for place, some in wanted.items()}
        stored = []
        for skeleton, some in zip(skeletons, keys, strict=True):
            head = skeleton.head
            there = blobs.get((head.thread, head.namespace), {})
            if lost := [channel for channel, version in some if (channel, version) not in there]:
                raise _corrupted(head, lost, "the value is missing")
            stored += [_Stored(head, key[0], there[key]) for key in some]
        values = iter(await self._decode(stored))
        return [{channel: next(values) for channel, _ in some} for some in keys]

    async def _writes(
        self, heads: Sequence[Head], channels: Collection[str] | None = None
    ) -> list[list[PendingWrite]]:
        """The writes on top of each, of all channels or of some, as they apply."""

        def order(write: Write) -> tuple[str, str, int]:
            return writes_sort_key(write.path, write.node, write.position)

        rows = []
        for head in heads:
            found = await self.rows.writes(head.thread, head.namespace, head.id)
            some = [write for write in found if channels is None or write.channel in channels]
            rows.append(sorted(some, key=order))
        values = iter(
            await self._decode(
                [
                    _Stored(head, write.channel, write.value)
                    for head, some in zip(heads, rows, strict=True)
                    for write in some
                ]
            )
        )
        return [[(write.node, write.channel, next(values)) for write in some] for some in rows]

    async def _decode(self, stored: Sequence[_Stored]) -> list[Any]:
        """The objects, in that order."""
        digests: dict[str, set[bytes]] = {}
        for head, _, value in stored:
            digests.setdefault(head.thread, set()).update(apart(value))
        chunks = {
            thread: await self.rows.chunks(thread, some) if some else {}
            for thread, some in digests.items()
        }
        objects = []
        for head, channel, value in stored:
            try:
                objects.append(decode(self._serde, value, chunks[head.thread]))
            except AssayError:
                raise
            except NotImplementedError as error:
                raise _unknown(head, channel, value.type, error) from error
            except Exception as error:  # whatever a serializer makes of bytes that are not its own
                raise _corrupted(head, [channel], _why(error)) from error
        return objects


class _Stored(NamedTuple):
    """A value with its checkpoint and channel, by which a loss is reported."""

    head: Head
    channel: str
    value: Value


def _tuple(
    skeleton: Skeleton, values: dict[str, Any], writes: list[PendingWrite]
) -> CheckpointTuple:
    head = skeleton.head
    here = (head.thread, head.namespace)
    checkpoint = {
        **skeleton.fields,
        "channel_values": values,
        "channel_versions": {**skeleton.held, **skeleton.bare},
    }
    return CheckpointTuple(
        config=config_of(*here, head.id),
        checkpoint=checkpoint,  # type: ignore[arg-type]
        metadata=skeleton.metadata,
        parent_config=None if head.parent is None else config_of(*here, head.parent),
        pending_writes=writes,
    )


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _unknown(head: Head, channel: str, type: str, error: Exception) -> AssayError:
    """Bytes of a type that the serializer does not know: LangGraph's marks what is encrypted."""
    _, encrypted, cipher = type.partition("+")
    if encrypted:
        return ConfigurationError(f"State is encrypted with {cipher!r}; give `open` its `cipher`.")
    return _corrupted(head, [channel], _why(error))


def _corrupted(head: Head, channels: Collection[str], why: str) -> StateCorrupted:
    names = ", ".join(repr(channel) for channel in sorted(channels) if channel)
    what = f"channel {names} of checkpoint" if names else "checkpoint"
    return StateCorrupted(
        f"The {what} {head.id} (thread {head.thread!r}, namespace {head.namespace!r}) is "
        f"damaged: {why}. Restore a copy of the store, or go on from an earlier checkpoint."
    )
