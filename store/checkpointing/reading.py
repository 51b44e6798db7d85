"""From rows back to checkpoints: every byte verified, every loss reported by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import CheckpointTuple, writes_sort_key

from ...graphs.errors import AssayError, StateCorrupted
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
        return None if head is None else await self._whole(await self.skeleton(head))

    async def page(
        self, query: Query, filter: Mapping[str, Any], *, after: Place | None, limit: int
    ) -> tuple[list[CheckpointTuple], list[Head]]:
        """The next checkpoints whose metadata fits the filter, and all that were looked at."""
        heads = await self.rows.heads(query, after=after, limit=limit)
        found = []
        for head in heads:
            skeleton = await self.skeleton(head)
            metadata: Mapping[str, Any] = skeleton.metadata
            if all(metadata.get(key) == value for key, value in filter.items()):
                found.append(await self._whole(skeleton))
        return found, heads

    async def skeleton(self, head: Head) -> Skeleton:
        ((fields, held, bare, metadata),) = await self._decode(head, [("", head.value)])
        return Skeleton(head, fields, held, bare, metadata)

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
                newest_first = reversed(await self._writes(head, open))
                for write in newest_first:
                    writes[write[1]].append(write)
                seeds |= await self._values(await self.skeleton(head), open)
                open -= seeds.keys()
                walked.add(parent)
                parent = head.parent
        found: dict[str, DeltaChannelHistory] = {}
        for channel in channels:
            found[channel] = {"writes": writes[channel][::-1]}
            if channel in seeds:
                found[channel]["seed"] = seeds[channel]
        return found

    async def _whole(self, skeleton: Skeleton) -> CheckpointTuple:
        head = skeleton.head
        checkpoint = {
            **skeleton.fields,
            "channel_values": await self._values(skeleton, skeleton.held),
            "channel_versions": {**skeleton.held, **skeleton.bare},
        }
        here = (head.thread, head.namespace)
        return CheckpointTuple(
            config=config_of(*here, head.id),
            checkpoint=checkpoint,  # type: ignore[arg-type]
            metadata=skeleton.metadata,
            parent_config=None if head.parent is None else config_of(*here, head.parent),
            pending_writes=await self._writes(head),
        )

    async def _values(self, skeleton: Skeleton, channels: Collection[str]) -> dict[str, Any]:
        """The values of those of the channels that have one."""
        head = skeleton.head
        keys: list[BlobKey] = [kept for kept in skeleton.held.items() if kept[0] in channels]
        if not keys:
            return {}
        blobs = await self.rows.blobs(head.thread, head.namespace, keys)
        if lost := [channel for channel, version in keys if (channel, version) not in blobs]:
            raise _corrupted(head, lost, "the value is missing")
        values = await self._decode(head, [(key[0], blobs[key]) for key in keys])
        return {channel: value for (channel, _), value in zip(keys, values, strict=True)}

    async def _writes(
        self, head: Head, channels: Collection[str] | None = None
    ) -> list[PendingWrite]:
        """The writes on top of a checkpoint, of all channels or of some, as they apply."""

        def order(write: Write) -> tuple[str, str, int]:
            return writes_sort_key(write.path, write.node, write.position)

        rows = await self.rows.writes(head.thread, head.namespace, head.id)
        if channels is not None:
            rows = [write for write in rows if write.channel in channels]
        rows.sort(key=order)
        values = await self._decode(head, [(write.channel, write.value) for write in rows])
        return [(w.node, w.channel, value) for w, value in zip(rows, values, strict=True)]

    async def _decode(self, head: Head, values: Sequence[tuple[str, Value]]) -> list[Any]:
        """The objects. Each value comes with its channel, by which a loss is reported."""
        digests = {digest for _, value in values for digest in apart(value)}
        chunks = await self.rows.chunks(head.thread, digests) if digests else {}
        objects = []
        for channel, value in values:
            try:
                objects.append(decode(self._serde, value, chunks))
            except AssayError:
                raise
            except Exception as error:  # whatever a serializer makes of bytes that are not its own
                raise _corrupted(head, [channel], _why(error)) from error
        return objects


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _corrupted(head: Head, channels: Collection[str], why: str) -> StateCorrupted:
    names = ", ".join(repr(channel) for channel in sorted(channels) if channel)
    what = f"channel {names} of checkpoint" if names else "checkpoint"
    return StateCorrupted(
        f"The {what} {head.id} (thread {head.thread!r}, namespace {head.namespace!r}) is "
        f"damaged: {why}. Restore a copy of the store, or go on from an earlier checkpoint."
    )
