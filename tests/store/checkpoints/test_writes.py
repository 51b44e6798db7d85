"""Writes on top of a checkpoint: their order, and which of two stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME

from assay.graphs.errors import StoreError

from .states import at, follow, pending

if TYPE_CHECKING:
    from assay.store.checkpointing.saver import Saver

pytestmark = pytest.mark.anyio


async def test_writes_come_in_the_order_of_path_node_and_position(saver: Saver) -> None:
    """Twelve of one node: as text, 10 would come before 2."""
    config = await follow(saver, at(), {})
    many = [(f"c{n}", n) for n in range(12)]
    await saver.aput_writes(config, [("x", "late path")], "a", "~2")
    await saver.aput_writes(config, [("x", "late node")], "c", "~1")
    await saver.aput_writes(config, many, "b", "~1")
    await saver.aput_writes(config, [("x", "no path")], "z")

    assert await pending(saver, config) == [
        ("z", "x", "no path"),
        *(("b", channel, n) for channel, n in many),
        ("c", "x", "late node"),
        ("a", "x", "late path"),
    ]


async def test_of_repeated_writes_the_first_stays(saver: Saver) -> None:
    config = await follow(saver, at(), {})
    await saver.aput_writes(config, [("a", 1), ("b", 2)], "node", "~1")
    await saver.aput_writes(config, [("a", 3), ("b", 4), ("c", 5)], "node", "~2")

    assert await pending(saver, config) == [
        ("node", "a", 1),
        ("node", "b", 2),
        ("node", "c", 5),
    ]


async def test_of_repeated_special_writes_the_last_stays(saver: Saver) -> None:
    """Even among ordinary ones, which stay as they were."""
    config = await follow(saver, at(), {})
    await saver.aput_writes(config, [("a", 1), (ERROR, "first"), (INTERRUPT, "q1")], "node")
    await saver.aput_writes(config, [("a", 2), (ERROR, "second"), (INTERRUPT, "q2")], "node")
    await saver.aput_writes(config, [(RESUME, ["yes"])], "node")

    assert sorted(await pending(saver, config)) == [
        ("node", ERROR, "second"),
        ("node", INTERRUPT, "q2"),
        ("node", RESUME, ["yes"]),
        ("node", "a", 1),
    ]


async def test_the_last_of_many_special_writes_stays(saver: Saver) -> None:
    """More than nine, of which each may be kept by a commit of its own."""
    config = await follow(saver, at(), {})
    for n in range(12):
        await saver.aput_writes(config, [(ERROR, n), ("a", n)], "node")

    assert sorted(await pending(saver, config)) == [("node", ERROR, 11), ("node", "a", 0)]


async def test_writes_may_come_before_their_checkpoint(saver: Saver) -> None:
    """With `durability="async"` a node may end before its checkpoint is on the disk."""
    there = await follow(saver, at(), {})
    found = await saver.aget_tuple(there)
    assert found is not None
    checkpoint = {**found.checkpoint, "id": "f"}
    await saver.aput_writes(at(id="f"), [("a", 1)], "node")

    config = await saver.aput(there, checkpoint, {}, {})  # type: ignore[arg-type]

    assert await pending(saver, config) == [("node", "a", 1)]


async def test_writes_to_no_checkpoint_are_refused(saver: Saver) -> None:
    with pytest.raises(StoreError, match="Writes in thread 't' name no checkpoint_id"):
        await saver.aput_writes(at(), [("a", 1)], "node")
