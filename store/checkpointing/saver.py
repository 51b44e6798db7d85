"""LangGraph's checkpointer over any back end that keeps rows."""

from __future__ import annotations

import asyncio
from functools import partial
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ...graphs.errors import StoreError
from . import keeping
from .lanes import Lanes
from .reading import Reading, config_of
from .rows import Blob, Head, Place, Put, PutWrites, Query, Write
from .values import CHUNK, Encoding

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )
    from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol

    from .rows import Change, Checkpoints, Rows

T = TypeVar("T")

_PAGE = 16
"""Checkpoints read at once while listing; a state may be large."""
_COUNTER = 6
_LAST = 16**_COUNTER - 1


def serializer(
    allow: Iterable[type | tuple[str, str]] = (), cipher: CipherProtocol | None = None
) -> SerializerProtocol:
    """LangGraph's serializer, made strict: stored bytes cannot name code to be run.

    Rebuilds plain data, LangChain's messages and LangGraph's own types, and the types (or
    pairs of module and name) in `allow`. Of any other type the plain data inside is returned,
    and nothing is imported. With a `cipher` everything is encrypted.
    """
    strict = JsonPlusSerializer(allowed_msgpack_modules=tuple(allow) or None)
    return strict if cipher is None else EncryptedSerializer(cipher, strict)


class Saver(BaseCheckpointSaver[str]):
    """Keeps graph state, one blob for each channel version, each verified when it is read.

    Belongs to the event loop it was made in. The synchronous methods may be called from any
    other thread, as LangGraph does in a node that calls a graph's `invoke`; the event loop
    does the work. In the loop itself they raise `StoreError`: await the graph instead.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        serde: SerializerProtocol | None = None,
        may_prune: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        """`may_prune` is asked for each thread before it is pruned, by whatever strategy."""
        super().__init__(serde=serde or serializer())
        self._checkpoints = checkpoints
        self._may_prune = may_prune
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes(checkpoints.write)

    async def settle(self) -> None:
        """Return when nothing waits to be written."""
        await self._lanes.close()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint. The state is copied before this waits for anything."""
        thread, namespace, parent = _place(config)
        encoding = Encoding(self.serde, thread)
        fields: dict[str, Any] = dict(checkpoint)
        values, versions = fields.pop("channel_values"), fields.pop("channel_versions")
        held = {channel: v for channel, v in versions.items() if channel in values}
        bare = {channel: v for channel, v in versions.items() if channel not in values}
        metadata = get_checkpoint_metadata(config, metadata)
        run = metadata.get("run_id")
        put = Put(
            Head(
                thread,
                namespace,
                checkpoint["id"],
                parent,
                None if run is None else str(run),
                encoding.value((fields, held, bare, metadata), "", small=CHUNK),
            ),
            [
                Blob(namespace, channel, version, encoding.value(values[channel], channel))
                for channel, version in new_versions.items()
                if channel in values
            ],
            encoding.chunks,
            [key for key in held.items() if key[0] not in new_versions],
        )
        await self._lanes.add(thread, put)
        return config_of(thread, namespace, checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        thread, namespace, id = _place(config)
        if id is None:
            raise StoreError(f"Writes in thread {thread!r} name no checkpoint_id to belong to.")
        encoding = Encoding(self.serde, thread)
        rows = [
            Write(
                namespace,
                id,
                task_id,
                WRITES_IDX_MAP.get(channel, index),
                task_path,
                channel,
                encoding.value(value, channel),
            )
            for index, (channel, value) in enumerate(writes)
        ]
        await self._lanes.add(thread, PutWrites(rows, encoding.chunks))

    async def adelete_thread(self, thread_id: str) -> None:
        thread = str(thread_id)
        await self._lanes.settled(thread)
        await self._checkpoints.delete(thread)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints of these runs, with their writes and values, thread by thread.

        Raises `StoreError` at a thread where a `DeltaChannel` of a later run is rebuilt from
        them, and leaves it as it was.
        """
        runs = frozenset(run_ids)

        async def threads(rows: Rows) -> list[str]:
            return await rows.threads_of(runs)

        for thread in await self._checkpoints.read(threads):
            await self._revise(thread, partial(keeping.of_runs, thread=thread, runs=runs))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything. Raises `StoreError` when the target holds anything already."""
        await self._lanes.settled(source_thread_id)
        await self._checkpoints.copy(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove old checkpoints of these threads, or (`"delete"`) all of them.

        `"keep_latest"` keeps the latest of each namespace, the writes and questions on top of
        it, and the ancestors from which its `DeltaChannel`s are rebuilt: a parked thread can be
        resumed as before. Raises `ValueError` for any other strategy.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"No strategy is {strategy!r}; give 'keep_latest' or 'delete'.")
        for thread in thread_ids:
            if self._may_prune is not None and not await self._may_prune(thread):
                continue
            if strategy == "delete":
                await self.adelete_thread(thread)
            else:
                await self._revise(thread, partial(keeping.superseded, thread=thread))

    async def _revise(
        self, thread: str, work: Callable[[Reading], Coroutine[Any, Any, Sequence[Change]]]
    ) -> None:
        await self._lanes.settled(thread)
        await self._checkpoints.revise(thread, lambda rows: work(Reading(rows, self.serde)))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Raises `StateCorrupted` when any of it is not what was kept."""
        place = _place(config)
        return await self._read(lambda reading: reading.find(*place))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The newest first; of every thread when `config` is None."""
        query = _query(config, before)
        after: Place | None = None
        while limit is None or limit > 0:
            size = _PAGE if filter or limit is None else min(_PAGE, limit)
            found, heads = await self._read(
                partial(Reading.page, query=query, filter=filter or {}, after=after, limit=size)
            )
            for found_tuple in found[:limit]:
                yield found_tuple
            if len(heads) < size:
                return
            limit = None if limit is None else limit - len(found)
            after = Place(heads[-1].id, heads[-1].thread, heads[-1].namespace)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Raises `StateCorrupted` where ancestors are gone, rather than give part of it."""
        place = _place(config)
        if not channels:
            return {}
        return await self._read(lambda reading: reading.history(*place, channels))

    async def _read(self, work: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        return await self._checkpoints.read(lambda rows: work(Reading(rows, self.serde)))

    def get_next_version(self, current: str | int | None, channel: None) -> str:
        """One more than `current`, and unlike what a fork of the same checkpoint makes.

        Six hexadecimal digits that grow, eight characters of chance that no seed repeats. Goes
        on from the versions of other savers, and sorts above them.
        """
        if current is None:
            counter = 1
        elif isinstance(current, int):
            counter = current + 1
        elif "." in current:
            counter = int(current.partition(".")[0]) + 1
        else:
            counter = int(current[:_COUNTER], 16) + 1
        if counter > _LAST:
            raise StoreError(f"A thread holds at most {_LAST} supersteps; go on in a new one.")
        return f"{counter:0{_COUNTER}x}{token_urlsafe(6)}"

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._wait(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self._wait(self.aput_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        self._wait(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._wait(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._wait(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._wait(self.aprune(thread_ids, strategy=strategy))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._wait(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        found = self.alist(config, filter=filter, before=before, limit=limit)

        async def following() -> CheckpointTuple | None:
            return await anext(found, None)

        while (checkpoint := self._wait(following())) is not None:
            yield checkpoint

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._wait(self.aget_delta_channel_history(config=config, channels=channels))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the event loop do it, and wait in this thread."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:  # no loop runs in this thread
            here = False
        if here or not self._loop.is_running():
            work.close()
            raise StoreError(
                "This checkpointer works in its event loop, which cannot wait for itself: await "
                "the async methods there (graph.ainvoke, astream, aget_state, …)."
                if here
                else "The event loop of this checkpointer has ended; open it in a running one."
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _place(config: RunnableConfig) -> tuple[str, str, str | None]:
    """Thread, namespace, and the id of a checkpoint where one is given."""
    given: Mapping[str, Any] = config.get("configurable", {})
    if given.get("thread_id") is None:
        raise StoreError(
            "The config names no thread to keep state for; give "
            '{"configurable": {"thread_id": "…"}}.'
        )
    namespace = given.get("checkpoint_ns") or ""
    return str(given["thread_id"]), namespace, given.get("checkpoint_id") or None


def _query(config: RunnableConfig | None, before: RunnableConfig | None) -> Query:
    below = (before or {}).get("configurable", {}).get("checkpoint_id")
    if config is None:
        return Query(before=below)
    thread, _, id = _place(config)
    # Without a namespace all of them, where other methods take it for the root.
    return Query(thread, config["configurable"].get("checkpoint_ns"), id, below)
