"""The reference on Firestore: raw LangGraph with a saver that does the obvious.

The layout is that of `langgraph-checkpoint-firestore`: a document for each checkpoint with the
whole state in it as base64, one for each pending write, and one call for each document. This one
awaits its calls where that one blocks a thread, and reads less; it does only what a run needs.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from google.cloud.firestore_v1 import AsyncClient, Query
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.graph import StateGraph

from .cloud import project
from .rounds import Inputs, Run, Side

NAME = "LangGraph, naive Firestore saver, sync"


def side(graph: StateGraph[Any, Any, Any, Any], inputs: Inputs, *, limit: int = 25) -> Side:
    """Runs of one graph, each a thread of its own, of at most `limit` supersteps."""

    @asynccontextmanager
    async def open(_: Path) -> AsyncIterator[Run]:
        client = AsyncClient(project=project())
        compiled = graph.compile(checkpointer=NaiveSaver(client))

        async def run() -> None:
            thread = {"thread_id": str(uuid4())}
            config: RunnableConfig = {"configurable": thread, "recursion_limit": limit}
            await compiled.ainvoke(inputs(), config, durability="sync")

        try:
            yield run
        finally:
            await client._firestore_api.transport.close()

    return Side(NAME, open)


class NaiveSaver(BaseCheckpointSaver[int]):
    def __init__(self, client: AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        kept = self._checkpoints(config)
        if (id := get_checkpoint_id(config)) is None:
            latest = kept.order_by("checkpoint_id", direction=Query.DESCENDING).limit(1)
            found = [each async for each in latest.stream()]
        else:
            found = [each for each in [await kept.document(id).get()] if each.exists]
        if not found:
            return None
        data = found[0].to_dict()
        pending = [
            each.to_dict() async for each in found[0].reference.collection("writes").stream()
        ]
        pending.sort(key=lambda each: (each["task_path"], each["task_id"], each["idx"]))
        parent = data["parent_checkpoint_id"]
        return CheckpointTuple(
            _config(config, found[0].id),
            self._loaded(data, "checkpoint"),
            self._loaded(data, "metadata"),
            _config(config, parent) if parent else None,
            [(each["task_id"], each["channel"], self._loaded(each, "value")) for each in pending],
        )

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        id = checkpoint["id"]
        data = {
            "checkpoint_id": id,
            "parent_checkpoint_id": get_checkpoint_id(config) or "",
            **self._dumped("checkpoint", checkpoint),
            **self._dumped("metadata", metadata),
        }
        await self._checkpoints(config).document(id).set(data)
        return _config(config, id)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        of = self._checkpoints(config).document(get_checkpoint_id(config)).collection("writes")
        for number, (channel, value) in enumerate(writes):
            idx = WRITES_IDX_MAP.get(channel, number)
            data = {"channel": channel, "task_id": task_id, "task_path": task_path, "idx": idx}
            await of.document(f"{task_id}_{idx}").set({**data, **self._dumped("value", value)})

    def _checkpoints(self, config: RunnableConfig) -> Any:
        at = config["configurable"]
        partition = f"{at['thread_id']}_{at.get('checkpoint_ns', '')}"
        return self._client.collection("checkpoints").document(partition).collection("checkpoints")

    def _dumped(self, name: str, value: Any) -> dict[str, str]:
        type_, data = self.serde.dumps_typed(value)
        return {f"{name}_type": type_, name: base64.b64encode(data).decode()}

    def _loaded(self, data: Mapping[str, Any], name: str) -> Any:
        return self.serde.loads_typed((data[f"{name}_type"], base64.b64decode(data[name])))


def _config(config: RunnableConfig, id: str) -> RunnableConfig:
    at = config["configurable"]
    return {
        "configurable": {
            "thread_id": at["thread_id"],
            "checkpoint_ns": at.get("checkpoint_ns", ""),
            "checkpoint_id": id,
        }
    }
