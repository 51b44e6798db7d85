"""What Assay adds to the work itself, durability included."""

from __future__ import annotations

import time

import pytest

from ..running import House, Order, mapping, note

pytestmark = pytest.mark.anyio

STEPS = 100


@pytest.mark.parametrize("fuse", [True, False], ids=["together", "a node each"])
async def test_a_step_costs_less_than_fifty_milliseconds(
    house: House, order: Order, fuse: bool
) -> None:
    """Ten seconds are allowed for all that is not the work; a hundred steps take half of them."""
    steps = [f"- {note(f's{n}')}" for n in range(STEPS)]
    definition = await house.app.register(mapping("\n".join(steps)))
    began = time.perf_counter()

    started = await house.app.manager.start(definition, fuse=fuse)
    execution = await house.app.wait(started.id)

    assert execution.status == "completed"
    assert len(order.seen) == STEPS
    assert time.perf_counter() - began < 0.05 * STEPS
