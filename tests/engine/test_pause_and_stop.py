"""Pausing, resuming and stopping in every status, here and from another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import assay
from assay.graphs.errors import ExecutionNotFound, NotPossible
from assay.graphs.event import EventType
from assay.graphs.execution import Status

from ..running import House, Order, note, open_house, statuses
from .asking import answered, asked, open_questions
from .lasting import events, happened, heard, types

pytestmark = pytest.mark.anyio

ASK = "{id: ask, type: approval, message: x}"
HOLD = "{id: hold, type: python, function: pass_gate, inputs: {name: hold}}"
ALONE = "name: w\nconcurrency: {key: k}\nsteps: "


class Two(NamedTuple):
    """The process that drives, and another on the same home."""

    driving: House
    order: Order
    other: House


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with open_house(tmp_path) as driving, open_house(tmp_path) as other:
        Order(other)
        yield Two(driving, Order(driving), other)


async def queued(two: Two) -> assay.Execution:
    """One that waits for its turn; whoever is before it may end."""
    await two.driving.start(f"{ALONE}[{HOLD}]")
    execution = await two.driving.start(f"{ALONE}[{note('a')}]")
    await two.order.gate("hold reached").wait()
    return execution


async def running(two: Two) -> assay.Execution:
    execution = await two.driving.start(f"- {HOLD}\n- {note('a')}")
    await two.order.gate("hold reached").wait()
    return execution


async def waiting(two: Two) -> assay.Execution:
    execution = await two.driving.start(f"- {ASK}\n- {note('a')}")
    return await two.driving.app.manager.wait(execution.id, until=(Status.WAITING,))


async def paused(two: Two) -> assay.Execution:
    execution = await running(two)
    await two.driving.app.manager.pause(execution.id)
    await heard(two.driving)
    two.order.gate("hold").set()
    return await two.driving.app.manager.wait(execution.id, until=(Status.PAUSED,))


async def completed(two: Two) -> assay.Execution:
    return await two.driving.run(f"- {note('a')}")


async def failed(two: Two) -> assay.Execution:
    return await two.driving.run("- {id: bad, type: python, function: fail}")


async def cancelled(two: Two) -> assay.Execution:
    return await two.driving.app.manager.stop((await running(two)).id)


OPEN = [queued, running, waiting, paused]
ENDED = [completed, failed, cancelled]
Make = Callable[[Two], Awaitable[assay.Execution]]
HOUSES = pytest.mark.parametrize("which", ["driving", "other"])


def house_of(two: Two, which: str) -> House:
    return two.driving if which == "driving" else two.other


@HOUSES
@pytest.mark.parametrize("status", OPEN)
async def test_what_has_not_ended_can_be_stopped(two: Two, status: Make, which: str) -> None:
    """When `stop` returns nothing of it runs any more, and nothing is asked."""
    execution = await status(two)
    manager = house_of(two, which).app.manager

    stopped = await asyncio.wait_for(manager.stop(execution.id, "enough"), 60)
    found = await events(two.driving, execution)

    assert stopped.status == "cancelled"
    assert stopped.error is not None
    assert (stopped.error.code, "enough" in stopped.error.message) == ("cancelled", True)
    assert "a" not in statuses(stopped)
    assert await open_questions(two.driving, execution) == []
    assert types(found)[-1] == "ExecutionCancelled"
    assert await manager.store.holder(execution.id) is None


@HOUSES
@pytest.mark.parametrize("status", OPEN)
async def test_what_has_not_ended_can_be_paused_and_resumed(
    two: Two, status: Make, which: str
) -> None:
    execution = await status(two)
    manager = house_of(two, which).app.manager

    await manager.pause(execution.id)
    await heard(two.driving)
    two.order.gate("hold").set()
    if status is waiting:
        await answered(two.driving, execution, "ask")
    await asyncio.wait_for(manager.wait(execution.id, until=(Status.PAUSED,)), 60)
    before = list(two.order.seen)
    await manager.resume(execution.id)
    done = await asyncio.wait_for(two.driving.app.manager.wait(execution.id), 60)
    await events(two.driving, execution)

    assert (done.status, done.paused) == ("completed", False)
    assert ("a" in before, two.order.seen.count("a")) == (False, 1)


@HOUSES
@pytest.mark.parametrize("status", ENDED)
async def test_what_has_ended_cannot_be_paused_or_resumed(
    two: Two, status: Make, which: str
) -> None:
    execution = await status(two)
    manager = house_of(two, which).app.manager
    before = await events(two.driving, execution)

    for command in (manager.pause, manager.resume):
        with pytest.raises(NotPossible, match=f"{execution.status}.*`retry` or `fork`"):
            await command(execution.id)
    again = await manager.stop(execution.id, "once more")

    assert (again.status, again.error) == (execution.status, execution.error)
    assert await events(two.driving, execution) == before


async def test_what_nobody_knows_is_said_so(house: House) -> None:
    manager = house.app.manager

    for command in (manager.pause, manager.resume, manager.stop):
        with pytest.raises(ExecutionNotFound):
            await command("no-such-execution")


@pytest.mark.parametrize("status", OPEN)
async def test_stopping_twice_is_one_end(two: Two, status: Make) -> None:
    """From two processes at once."""
    execution = await status(two)

    ended = await asyncio.gather(
        two.driving.app.manager.stop(execution.id), two.other.app.manager.stop(execution.id)
    )
    found = await events(two.driving, execution)

    assert [e.status for e in ended] == ["cancelled", "cancelled"]
    assert types(found).count("ExecutionCancelled") == 1


@pytest.mark.parametrize("status", [running, waiting, queued])
async def test_pausing_twice_is_one_pause(two: Two, status: Make) -> None:
    execution = await status(two)
    manager = two.driving.app.manager

    await asyncio.gather(manager.pause(execution.id), two.other.app.manager.pause(execution.id))
    await heard(two.driving)
    two.order.gate("hold").set()
    if status is waiting:
        await answered(two.driving, execution, "ask")
    await manager.wait(execution.id, until=(Status.PAUSED,))
    await manager.resume(execution.id)
    await two.driving.app.wait(execution.id)

    assert two.order.seen.count("a") == 1


@pytest.mark.parametrize("status", [running, waiting, queued])
async def test_resuming_what_is_not_paused_changes_nothing(two: Two, status: Make) -> None:
    execution = await status(two)

    await two.driving.app.resume(execution.id)
    await two.other.app.resume(execution.id)
    await heard(two.driving)
    two.order.gate("hold").set()
    if status is waiting:
        await answered(two.driving, execution, "ask")
    done = await two.driving.app.wait(execution.id)

    assert done.status == "completed"
    assert two.order.seen.count("a") == 1
    assert types(await events(two.driving, execution)).count("ExecutionStarted") == 1


async def test_a_pause_that_was_taken_back_in_time_is_none(two: Two) -> None:
    execution = await running(two)

    await two.driving.app.manager.pause(execution.id)
    await two.driving.app.resume(execution.id)
    await heard(two.driving)
    two.order.gate("hold").set()
    done = await two.driving.app.wait(execution.id)

    assert done.status == "completed"
    assert "ExecutionPaused" not in types(await events(two.driving, execution))


async def test_a_pause_lets_branches_end_their_steps_and_no_more(house: House) -> None:
    order = Order(house)
    branches = ", ".join(
        f"{{id: c{n}, type: conditional, condition: 'true', then: "
        f"[{{id: h{n}, type: python, function: pass_gate, inputs: {{name: h{n}}}}}, "
        f"{note(f'n{n}')}]}}"
        for n in range(3)
    )
    execution = await house.start(f"- {{id: p, type: parallel, steps: [{branches}]}}")
    for n in range(3):
        await order.gate(f"h{n} reached").wait()
    await house.app.manager.pause(execution.id)
    await heard(house)
    for n in range(3):
        order.gate(f"h{n}").set()
    await house.app.manager.wait(execution.id, until=(Status.PAUSED,))
    before = sorted(order.seen)
    await house.app.resume(execution.id)
    done = await house.app.wait(execution.id)

    assert before == ["h0", "h1", "h2"]
    assert (done.status, sorted(order.seen[3:])) == ("completed", ["n0", "n1", "n2"])


async def test_a_paused_execution_says_so_while_it_waits(house: House) -> None:
    """A question may still be answered; the answer is kept for when it goes on."""
    execution = await house.start(f"- {ASK}")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    await house.app.manager.pause(execution.id)
    said = await asyncio.wait_for(house.app.manager.wait(execution.id, until=(Status.PAUSED,)), 60)
    question = await asked(house, execution, "ask")
    await house.app.resume(execution.id)
    again = await asyncio.wait_for(
        house.app.manager.wait(execution.id, until=(Status.WAITING,)), 10
    )
    await answered(house, execution, "ask")
    done = await house.app.wait(execution.id)

    assert (said.status, again.status, done.status) == ("paused", "waiting", "completed")
    assert question.revision == 0


async def test_stopping_what_is_parked_with_a_long_journal(tmp_path: Path) -> None:
    """Nobody drives it, and reading it takes a while."""
    loop = (
        "{id: l, type: loop, while: iteration < 1200, max_iterations: 1200, "
        "steps: [{id: s, type: skill, skill: echo}]}"
    )
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {loop}\n- {ASK}")
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        stopped = await asyncio.wait_for(house.app.manager.stop(execution.id), 60)
        found = await events(house, execution)

    assert (stopped.status, len(stopped.steps) > 1200) == ("cancelled", True)
    assert types(found)[-1] == "ExecutionCancelled"


async def test_stopping_ends_every_step_that_has_begun(tmp_path: Path) -> None:
    """Whether it was in memory or not when somebody stopped it."""
    steps = f"[{ASK}, {{id: s, type: sleep, duration: 1h}}, {note('a')}]"
    text = f"- {{id: p, type: parallel, steps: {steps}}}"
    async with open_house(tmp_path) as house:
        Order(house)
        warm, parked = await house.start(text), await house.start(text)
        for execution in (warm, parked):
            await house.app.manager.wait(execution.id, until=(Status.WAITING,))
        in_memory = await house.app.manager.stop(warm.id)

    async with open_house(tmp_path) as house:
        out_of_memory = await house.app.manager.stop(parked.id)

    ended = {"p.ask": "cancelled", "p.s": "cancelled", "p.a": "completed", "p": "cancelled"}
    assert statuses(in_memory) == ended
    assert statuses(out_of_memory) == ended


@pytest.mark.parametrize("default", ["rollback", "halt"])
async def test_a_stop_during_a_rollback_lets_it_end(house: House, default: str) -> None:
    """How it ends has been decided; a compensation that was cut off would be neither."""
    order = Order(house)
    execution = await house.start(
        f"""
        name: w
        error_handling: {{default: {default}}}
        steps:
          - {note("a", f", rollback: [{note('ua')}]")}
          - {note("b", f", rollback: [{HOLD}]")}
          - {{id: bad, type: python, function: fail, on_error: rollback}}
        """
    )
    await order.gate("hold reached").wait()
    stopping = asyncio.create_task(house.app.manager.stop(execution.id))
    await heard_stop(house)
    order.gate("hold").set()
    done = await asyncio.wait_for(stopping, 60)

    assert (done.status, done.error and done.error.path) == ("failed", "bad")
    assert order.seen == ["a", "b", "", "hold", "ua"]
    assert [statuses(done)[id] for id in "ab"] == ["compensated", "compensated"]


async def heard_stop(house: House) -> None:
    """As soon as the stop has been posted and dealt with, or the drive has seen it."""
    store = house.app.manager.store
    for _ in range(200):
        if await store.inbox(store.worker):
            break
        await asyncio.sleep(0.005)
    await heard(house)


async def test_a_second_stop_does_not_cut_off_the_rollback_of_the_first(house: House) -> None:
    order = Order(house)
    execution = await house.start(
        f"""
        name: w
        error_handling: {{default: rollback}}
        steps:
          - {note("a", f", rollback: [{HOLD}]")}
          - {{id: last, type: python, function: pass_gate, inputs: {{name: last}}}}
        """
    )
    await order.gate("last reached").wait()
    first = asyncio.create_task(house.app.manager.stop(execution.id))
    await order.gate("hold reached").wait()
    second = asyncio.create_task(house.app.manager.stop(execution.id))
    await heard_stop(house)
    order.gate("hold").set()
    ended = await asyncio.wait_for(asyncio.gather(first, second), 60)

    assert [e.status for e in ended] == ["cancelled", "cancelled"]
    assert statuses(ended[0])["a"] == "compensated"
    assert order.seen == ["a", "hold"]


async def test_stopping_while_a_compensation_asks(house: House) -> None:
    """The answer is still wanted: undoing goes on."""
    order = Order(house)
    execution = await house.start(
        f"""
        name: w
        error_handling: {{default: rollback}}
        steps:
          - {note("a", f", rollback: [{ASK}]")}
          - {HOLD}
        """
    )
    await order.gate("hold reached").wait()
    stopping = asyncio.create_task(house.app.manager.stop(execution.id))
    await happened(house, execution, EventType.EXECUTION_WAITING)
    await answered(house, execution, "a/rollback.ask")
    done = await asyncio.wait_for(stopping, 60)

    assert (done.status, statuses(done)["a"]) == ("cancelled", "compensated")


async def test_an_execution_that_several_resume_at_once_goes_on_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        Order(house)
        left = await house.start(f"- {HOLD}\n- {note('a')}")
    async with open_house(tmp_path) as house:
        order = Order(house)
        order.gate("hold").set()
        house.app.manager.serve()
        await asyncio.gather(*(house.app.resume(left.id) for _ in range(5)))
        async with asyncio.timeout(60):
            ended = await house.app.wait(left.id)
        assert ended.status is Status.COMPLETED
        assert order.seen == ["hold", "a"]
        resumed = [e for e in await events(house, left) if e.type is EventType.EXECUTION_RESUMED]
        assert len(resumed) <= 1
