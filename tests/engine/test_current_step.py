"""`current_step`: of the steps that have begun and not ended, the one that began last."""

from __future__ import annotations

import pytest

import assay
from assay.graphs.event import EventType

from ..running import House, Order
from .asking import answered
from .lasting import happened

pytestmark = pytest.mark.anyio


def held(name: str) -> str:
    return f"{{id: {name}, type: python, function: pass_gate, inputs: {{name: {name}}}}}"


async def current(house: House, execution: assay.Execution, begun: str) -> str | None:
    """What it says as soon as the step at a path is known to have begun."""
    await happened(house, execution, EventType.STEP_STARTED, begun)
    return (await house.app.manager.get(execution.id)).current_step


async def test_it_follows_a_chain_and_is_gone_at_the_end(house: House, order: Order) -> None:
    started = await house.start(f"- {held('a')}\n- {held('b')}\n")

    first = await current(house, started, "a")
    order.gate("a").set()
    second = await current(house, started, "b")
    order.gate("b").set()
    ended = await house.app.wait(started.id)

    assert (first, second) == ("a", "b")
    assert (ended.status, ended.current_step) == ("completed", None)


async def test_inside_a_composite_it_is_the_step_that_works(house: House, order: Order) -> None:
    started = await house.start(
        f"- {{id: each, type: foreach, items: '{{{{ [1] }}}}', steps: [{held('a')}]}}\n"
    )

    working = await current(house, started, "each[0].a")
    order.gate("a").set()
    await house.app.wait(started.id)

    assert working == "each[0].a"


async def test_beside_one_that_goes_on_it_is_the_one_that_goes_on(
    house: House, order: Order
) -> None:
    both = f"- {{id: both, type: parallel, steps: [{held('long')}, {held('short')}]}}\n"
    started = await house.start(both)

    await current(house, started, "both.long")
    await current(house, started, "both.short")
    order.gate("short").set()
    await happened(house, started, EventType.STEP_COMPLETED, "both.short")
    left = (await house.app.manager.get(started.id)).current_step
    order.gate("long").set()
    await house.app.wait(started.id)

    assert left == "both.long"


async def test_while_it_waits_it_is_the_question(house: House) -> None:
    started = await house.start("- {id: ask, type: approval, message: Well?}\n")

    asking = await current(house, started, "ask")
    await answered(house, started, "ask")
    ended = await house.app.wait(started.id)

    assert (asking, ended.current_step) == ("ask", None)
