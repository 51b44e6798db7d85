"""Damaged stores: what is lost is named, nothing is guessed, the rest stays readable."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from assay.graphs.errors import StateCorrupted

from .places import KINDS
from .states import at, follow, pending, state

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from assay.store.checkpointing.saver import Saver

    from .places import Place, Row

pytestmark = pytest.mark.anyio

Edit: TypeAlias = "Callable[[Row], Row | None]"
Damage: TypeAlias = "Callable[[dict[str, list[Row]], Edit], tuple[str, Edit]]"

LARGE = "x" * 2_000_000


@pytest.fixture
async def config(saver: Saver) -> RunnableConfig:
    """A checkpoint with a small and a large value, and both as writes too."""
    values = {"small": 1, "large": LARGE}
    config = await follow(saver, at("orders/7", "child:1"), values)
    await saver.aput_writes(config, list({"w": 2, "W": LARGE + "y"}.items()), "node")
    return config


def chunk(kind: str, channel: str, number: int) -> Damage:
    """Of a chunk of what the channel holds, or a node wrote to it."""

    def damage(rows: dict[str, list[Row]], change: Edit) -> tuple[str, Edit]:
        (digests,) = [row["digests"] for row in rows[kind] if row["channel"] == channel]
        wanted = digests[32 * (number - 1) : 32 * number]
        return "chunks", lambda row: change(row) if row["digest"] == wanted else row

    return damage


def row(kind: str, channel: str | None = None) -> Damage:
    """Of all rows of the kind, or those of a channel."""

    def damage(_: object, change: Edit) -> tuple[str, Edit]:
        return kind, lambda row: change(row) if channel in (None, row.get("channel")) else row

    return damage


def data(damaged: bytes | Callable[[bytes], bytes]) -> Edit:
    return lambda row: {**row, "data": damaged(row["data"]) if callable(damaged) else damaged}


def removed(_: Row) -> None:
    return None


DAMAGES: dict[str, tuple[Damage, Edit, str, str]] = {
    "a chunk is missing": (
        chunk("blobs", "large", 3),
        removed,
        "channel 'large' of checkpoint",
        "chunk 3 of 3 is missing",
    ),
    "a chunk has changed": (
        chunk("blobs", "large", 2),
        data(lambda data: data.replace(b"xxx", b"xxX")),
        "channel 'large' of checkpoint",
        "chunk 2 of 3 is not what its digest says",
    ),
    "a chunk is cut short": (
        chunk("writes", "W", 1),
        data(lambda data: data[:100]),
        "channel 'W' of checkpoint",
        "chunk 1 of 3 is not what its digest says",
    ),
    "a small value has changed": (
        row("blobs", "small"),
        data(b"\2"),
        "channel 'small' of checkpoint",
        "its bytes are not what their digest says",
    ),
    "a write has changed": (
        row("writes", "w"),
        data(b"\3"),
        "channel 'w' of checkpoint",
        "its bytes are not what their digest says",
    ),
    "values are missing": (
        row("blobs"),
        removed,
        "channel 'large', 'small' of checkpoint",
        "the value is missing",
    ),
    "the checkpoint has changed": (
        row("checkpoints"),
        data(lambda data: data + b"\0"),
        "checkpoint",
        "its bytes are not what their digest says",
    ),
    "the checkpoint is empty": (
        row("checkpoints"),
        data(b""),
        "checkpoint",
        "its bytes are not what their digest says",
    ),
    "the kind of a value has changed": (
        row("blobs", "small"),
        lambda row: {**row, "type": "pickle"},
        "channel 'small' of checkpoint",
        "Unknown serialization type: pickle",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_reported_with_its_place(
    saver: Saver, place: Place, config: RunnableConfig, damage: str
) -> None:
    where, change, what, why = DAMAGES[damage]
    rows = {kind: await place.rows(kind) for kind in KINDS}
    await place.edit(*where(rows, change))

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
    saver: Saver, place: Place, config: RunnableConfig
) -> None:
    later = await follow(saver, config, {"large": "small now"})
    other = await follow(saver, at("other"), {"large": LARGE})
    await place.edit("chunks", lambda row: None if row["thread"] == "orders/7" else row)

    assert await state(saver, later) == {"small": 1, "large": "small now"}
    assert await state(saver, other) == {"large": LARGE}
    assert await pending(saver, later) == []
    with pytest.raises(StateCorrupted):
        await saver.aget_tuple(config)
