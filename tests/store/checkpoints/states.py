"""Checkpoints as LangGraph makes them, without a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import empty_checkpoint

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver

EMPTIED = object()
"""The value of a channel that has a version and holds nothing any more."""


def at(thread: str = "t", namespace: str = "", id: str | None = None) -> RunnableConfig:
    place = {"thread_id": thread, "checkpoint_ns": namespace}
    return {"configurable": place if id is None else {**place, "checkpoint_id": id}}


async def follow(
    saver: BaseCheckpointSaver[str],
    config: RunnableConfig,
    values: dict[str, Any],
    **metadata: Any,
) -> RunnableConfig:
    """Put the checkpoint after that of the config: these channels changed, the others did not."""
    before = None
    if "checkpoint_id" in config["configurable"]:
        before = await saver.aget_tuple(config)
        assert before is not None
    checkpoint = empty_checkpoint()
    if before is not None:
        checkpoint["channel_values"] = before.checkpoint["channel_values"]
        checkpoint["channel_versions"] = before.checkpoint["channel_versions"]
    highest: Any = max(checkpoint["channel_versions"].values(), default=None)
    version = saver.get_next_version(highest, None)
    for channel, value in values.items():
        checkpoint["channel_versions"][channel] = version
        if value is EMPTIED:
            checkpoint["channel_values"].pop(channel, None)
        else:
            checkpoint["channel_values"][channel] = value
    return await saver.aput(
        config,
        checkpoint,
        {"source": "loop", "step": 1, "parents": {}, **metadata},  # type: ignore[typeddict-item]
        dict.fromkeys(values, version),
    )


async def state(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> dict[str, Any]:
    """The values of a checkpoint that is there."""
    found = await saver.aget_tuple(config)
    assert found is not None
    return found.checkpoint["channel_values"]


async def pending(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> list[Any]:
    """The writes on top of a checkpoint that is there: node, channel, value."""
    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.pending_writes is not None
    return found.pending_writes
