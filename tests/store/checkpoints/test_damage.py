"""Damaged files: what is lost is named, nothing is guessed, the rest stays readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import StateCorrupted

from .states import at, follow, pending, select, state

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.runnables import RunnableConfig

    from assay.checkpoint import SqliteSaver

pytestmark = pytest.mark.anyio

LARGE = "x" * 2_000_000


@pytest.fixture
async def config(saver: SqliteSaver) -> RunnableConfig:
    """A checkpoint with a small and a large value, and both as writes too."""
    values = {"small": 1, "large": LARGE}
    config = await follow(saver, at("orders/7", "child:1"), values)
    await saver.aput_writes(config, list({"w": 2, "W": LARGE + "y"}.items()), "node")
    return config


def chunk_of(table: str, channel: str, number: int) -> str:
    """SQL for the digest of a channel's chunk."""
    start = 1 + 32 * (number - 1)
    return f"(SELECT substr(digests, {start}, 32) FROM {table} WHERE channel = '{channel}')"


BLOB, WRITE = "checkpoint_blobs", "checkpoint_writes"
DAMAGES = {
    "a chunk is missing": (
        f"DELETE FROM checkpoint_chunks WHERE digest = {chunk_of(BLOB, 'large', 3)}",
        "channel 'large' of checkpoint",
        "chunk 3 of 3 is missing",
    ),
    "a chunk has changed": (
        "UPDATE checkpoint_chunks SET data = CAST(replace(data, 'xxx', 'xxX') AS BLOB)"
        f" WHERE digest = {chunk_of(BLOB, 'large', 2)}",
        "channel 'large' of checkpoint",
        "chunk 2 of 3 is not what its digest says",
    ),
    "a chunk is cut short": (
        "UPDATE checkpoint_chunks SET data = substr(data, 1, 100)"
        f" WHERE digest = {chunk_of(WRITE, 'W', 1)}",
        "channel 'W' of checkpoint",
        "chunk 1 of 3 is not what its digest says",
    ),
    "a small value has changed": (
        "UPDATE checkpoint_blobs SET data = x'02' WHERE channel = 'small'",
        "channel 'small' of checkpoint",
        "its bytes are not what their digest says",
    ),
    "a write has changed": (
        "UPDATE checkpoint_writes SET data = x'03' WHERE channel = 'w'",
        "channel 'w' of checkpoint",
        "its bytes are not what their digest says",
    ),
    "values are missing": (
        "DELETE FROM checkpoint_blobs",
        "channel 'large', 'small' of checkpoint",
        "the value is missing",
    ),
    "the checkpoint has changed": (
        "UPDATE checkpoints SET data = CAST(data || x'00' AS BLOB)",
        "checkpoint",
        "its bytes are not what their digest says",
    ),
    "the checkpoint is empty": (
        "UPDATE checkpoints SET data = x''",
        "checkpoint",
        "its bytes are not what their digest says",
    ),
    "the kind of a value has changed": (
        "UPDATE checkpoint_blobs SET type = 'pickle' WHERE channel = 'small'",
        "channel 'small' of checkpoint",
        "Unknown serialization type: pickle",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_reported_with_its_place(
    saver: SqliteSaver, path: Path, config: RunnableConfig, damage: str
) -> None:
    sql, what, why = DAMAGES[damage]
    select(path, sql)

    with pytest.raises(StateCorrupted) as caught:
        await saver.aget_tuple(config)

    id = config["configurable"]["checkpoint_id"]
    assert caught.value.code == "state_corrupted"
    assert str(caught.value) == (
        f"The {what} {id} (thread 'orders/7', namespace 'child:1') is damaged: {why}. "
        "Restore a copy of the store, or go on from an earlier checkpoint."
    )
    with pytest.raises(StateCorrupted, match=re.escape(what)):
        _ = [c async for c in saver.alist(None)]


async def test_what_is_not_damaged_can_still_be_read(
    saver: SqliteSaver, path: Path, config: RunnableConfig
) -> None:
    later = await follow(saver, config, {"large": "small now"})
    other = await follow(saver, at("other"), {"large": LARGE})
    select(
        path,
        "DELETE FROM checkpoint_chunks WHERE thread ="
        " (SELECT key FROM checkpoint_threads WHERE id = 'orders/7')",
    )

    assert await state(saver, later) == {"small": 1, "large": "small now"}
    assert await state(saver, other) == {"large": LARGE}
    assert await pending(saver, later) == []
    with pytest.raises(StateCorrupted):
        await saver.aget_tuple(config)
