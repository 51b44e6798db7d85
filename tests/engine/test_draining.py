"""A process that is to end: steps that run end, none begins, and what is left goes on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.graphs.execution import Execution, Status
from assay.graphs.providers.langgraph import LangGraphProvider

from ..running import House, Order, note, open_house, statuses
from .asking import answered
from .lives import conditional
from .turns import Turns, alone, waiting

pytestmark = pytest.mark.anyio

HOLD = "{id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
OTHER = "{id: other, type: python, function: pass_gate, inputs: {name: other}}"
ASK = "{id: ask, type: approval, message: x}"
FAIL = "{id: bad, type: python, function: fail}"


class Two(NamedTuple):
    """A process that is to end, and another at the same store that could go on."""

    house: House
    order: Order
    other: House
    seen: Order

    async def reached(self, text: str, *gates: str) -> Execution:
        execution = await self.house.start(text)
        for gate in gates or ("hold",):
            await self.order.gate(f"{gate} reached").wait()
        return execution

    async def drained(self, grace: float = 600) -> list[str]:
        return list(await self.house.app.manager.drain(grace))

    async def goes_on(self, execution: Execution) -> Execution:
        """Its end, driven by the other."""
        for name in ("hold", "other"):
            self.seen.gate(name).set()
        self.other.app.manager.serve()
        async with asyncio.timeout(60):
            return await self.other.app.wait(execution.id)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with open_house(tmp_path) as house, open_house(tmp_path) as other:
        yield Two(house, Order(house), other, Order(other))


async def heard(house: House) -> None:
    """What lies in the inboxes of what runs in the process has reached it."""
    provider = house.app.manager.provider
    assert isinstance(provider, LangGraphProvider)
    await provider._hear()


async def test_what_waits_after_a_failed_branch_is_said_to_wait(house: House) -> None:
    """It holds no place, and leaves memory after a while."""
    nap = "{id: nap, type: sleep, duration: 30ms}"
    branches = f"{{id: p, type: parallel, on_error: skip, steps: [{FAIL}, {nap}]}}"
    Order(house)
    execution = await house.start(f"- {branches}\n- {ASK}")
    async with asyncio.timeout(60):
        await waiting(house, execution)


async def test_a_step_that_runs_ends_and_does_not_run_again(two: Two) -> None:
    execution = await two.reached(f"- {note('a')}\n- {HOLD}\n- {note('b')}")
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()

    assert await draining == []
    left = await two.other.app.manager.get(execution.id)
    assert (left.status, statuses(left)) == ("queued", {"a": "completed", "hold": "completed"})
    assert (await two.goes_on(execution)).status == "completed"
    assert (two.order.seen, two.seen.seen) == (["a", "hold"], ["b"])


async def test_a_last_step_ends_its_execution(two: Two) -> None:
    execution = await two.reached(f"- {HOLD}")
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()

    assert await draining == []
    assert (await two.house.app.wait(execution.id)).status == "completed"


async def test_what_runs_longer_is_cut_off_and_goes_on_elsewhere(tmp_path: Path) -> None:
    async with open_house(tmp_path) as other:
        seen = Order(other)
        async with open_house(tmp_path) as house:
            two = Two(house, Order(house), other, seen)
            execution = await two.reached(f"- {note('a')}\n- {HOLD}")
            assert await two.drained(0.01) == [execution.id]
        left = await other.app.manager.get(execution.id)
        assert (left.status, statuses(left)) == ("queued", {"a": "completed"})
        assert (await two.goes_on(execution)).status == "completed"
        assert (two.order.seen, seen.seen) == (["a"], ["hold"])


async def test_branches_wait_for_each_other_only(two: Two) -> None:
    """One is at its next step long before the other: the execution goes when both are."""
    execution = await two.reached(
        f"""
        - id: p
          type: parallel
          steps: [{conditional("l", HOLD, note("a"))}, {conditional("r", OTHER, note("b"))}]
        """,
        "hold",
        "other",
    )
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()
    done, _ = await asyncio.wait([draining], timeout=0.2)
    assert not done
    two.order.gate("other").set()

    assert await draining == []
    assert (await two.goes_on(execution)).status == "completed"
    assert two.order.seen == ["hold", "other"]
    assert sorted(two.seen.seen) == ["a", "b"]


async def test_a_branch_beside_one_that_failed_is_held_not_cancelled(two: Two) -> None:
    execution = await two.reached(
        f"""
        - id: p
          type: parallel
          steps: [{FAIL}, {conditional("r", HOLD, note("b"))}]
        """,
        "hold",
    )
    await two.order.gate("failed").wait()
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()

    assert await draining == []
    assert (await two.goes_on(execution)).status == "failed"
    assert two.seen.seen == ["b"]


async def test_so_is_one_beside_a_failed_step_of_a_graph(two: Two) -> None:
    after = "{id: b, type: python, function: note, inputs: {name: b}, needs: [hold]}"
    execution = await two.reached(f"- {FAIL}\n- {HOLD[:-1]}, needs: []}}\n- {after}", "hold")
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()

    assert await draining == []
    assert (await two.goes_on(execution)).status == "failed"


@pytest.mark.parametrize("graph", [True, False])
async def test_a_pause_does_not_cancel_a_branch_beside_one_that_failed(
    house: House, order: Order, graph: bool
) -> None:
    """The last step of the branch runs, as it would have without the pause."""
    inner = conditional("r", HOLD, note("b"))
    text = f"- {FAIL[:-1]}, needs: []}}\n- {inner[:-1]}, needs: []}}"
    if not graph:
        text = f"- {{id: p, type: parallel, steps: [{FAIL}, {inner}]}}"
    execution = await house.start(text)
    await order.gate("failed").wait()
    await order.gate("hold reached").wait()
    await house.app.manager.pause(execution.id)
    await heard(house)
    order.gate("hold").set()
    await house.app.manager.wait(execution.id, until=(Status.PAUSED,))
    await house.app.manager.resume(execution.id)
    async with asyncio.timeout(60):
        ended = await house.app.wait(execution.id)

    assert (ended.status, order.seen) == ("failed", ["", "hold", "b"])


async def test_what_waits_for_an_answer_leaves_memory_at_once(two: Two) -> None:
    execution = await two.house.start(f"- {ASK}\n- {note('b')}")
    await waiting(two.house, execution)

    assert await two.drained() == []
    assert (await two.other.app.manager.get(execution.id)).status == "waiting"
    two.other.app.manager.serve()
    await answered(two.other, execution, "ask")
    assert (await two.goes_on(execution)).status == "completed"


async def test_a_question_beside_a_held_branch_is_asked_still(two: Two) -> None:
    branch = conditional("g", HOLD, note("b"))
    execution = await two.reached(f"- {{id: p, type: parallel, steps: [{ASK}, {branch}]}}")
    draining = asyncio.create_task(two.drained())
    two.order.gate("hold").set()

    assert await draining == []
    assert (await two.other.app.manager.get(execution.id)).status == "queued"
    two.other.app.manager.serve()
    await answered(two.other, execution, "p.ask")
    assert (await two.goes_on(execution)).status == "completed"
    assert two.seen.seen == ["b"]


async def test_a_stop_is_heard_within_the_grace(two: Two) -> None:
    execution = await two.reached(f"- {HOLD}\n- {note('b')}")
    draining = asyncio.create_task(two.drained())
    async with asyncio.timeout(60):
        stopped = await two.other.app.manager.stop(execution.id)

    assert (stopped.status, await draining) == ("cancelled", [])


async def test_a_pause_within_the_grace_holds_elsewhere_too(two: Two) -> None:
    execution = await two.reached(f"- {HOLD}\n- {note('b')}")
    draining = asyncio.create_task(two.drained())
    await two.other.app.manager.pause(execution.id)
    await heard(two.house)
    two.order.gate("hold").set()

    assert await draining == []
    left = await two.other.app.manager.get(execution.id)
    assert left.paused


async def test_who_waits_for_a_place_is_let_go_of_at_once(tmp_path: Path) -> None:
    environ = {"ASSAY_MAX_EXECUTIONS": "1"}
    async with open_house(tmp_path, environ) as house, open_house(tmp_path) as other:
        order, turns = Order(house), Turns(other)
        definition = alone()
        del definition["concurrency"]
        own = Turns(house)
        first = await own.start("a", definition)
        await own.reached("a")
        second = await own.start("b", definition)
        draining = asyncio.create_task(house.app.manager.drain(10))
        other.app.manager.serve()
        await turns.reached("b")
        turns.let("b")
        assert await turns.ended(second) == ["completed"]
        own.let("a")

        assert await draining == []
        assert (await other.app.wait(first.id)).status == "completed"
        assert order.seen == []


async def test_nothing_more_is_taken(two: Two) -> None:
    two.house.app.manager.serve()
    await two.drained()
    execution = await two.other.start(f"- {ASK}")
    await waiting(two.other, execution)
    await two.other.app.manager.provider.close()
    await answered(two.other, execution, "ask")
    assert not await two.house.app.manager.provider.take(execution.id)
