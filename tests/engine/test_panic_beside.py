"""A failure of the system meets everything else: slots, limits, rollbacks, effects, races."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import pytest

from assay.graphs.event import Event, EventType
from assay.graphs.question import Wait

from ..running import House, note, statuses
from .asking import asked, open_questions
from .lasting import events, happened, types
from .test_panic_restarts import BOOM, FULL, Trouble, document, gate

pytestmark = pytest.mark.anyio


async def test_an_effect_that_panicked_becomes_a_question(house: House) -> None:
    trouble = Trouble(house, FULL)

    execution = await house.start(document(f"{{{BOOM}, effects: once}}"))
    question = await asked(house, execution, "boom")
    await house.app.manager.answer(question.id, {"outcome": "repeat"})
    done = await house.app.wait(execution.id)

    assert question.kind is Wait.ONCE
    assert (done.status, done.restarts, trouble.seen) == ("completed", 1, ["boom", "boom"])


async def test_an_effect_beside_a_panic_becomes_a_question(house: House) -> None:
    trouble = Trouble(house, FULL)
    pay = gate("pay").replace("{id: pay", "{id: pay, effects: once")
    late = f"{{id: c, type: conditional, condition: 'true', then: [{gate('hold')}, {{{BOOM}}}]}}"

    execution = await house.start(document(f"{{id: p, type: parallel, steps: [{pay}, {late}]}}"))
    await trouble.gate("pay reached").wait()
    trouble.gate("hold").set()
    question = await asked(house, execution, "p.pay")
    await house.app.manager.answer(question.id, {"outcome": "happened", "output": 5})
    done = await house.app.wait(execution.id)

    assert question.kind is Wait.ONCE
    assert "pay" not in trouble.seen
    assert done.steps["p"].output == {"pay": 5, "c": "ok"}


async def test_its_slot_is_kept_while_it_waits(house: House) -> None:
    trouble = Trouble(house, FULL)
    text = document(f"{{{BOOM}}}", delay="200ms", concurrency={"key": "k"})

    first, second = await house.start(text), await house.start(text)
    await happened(house, first, EventType.EXECUTION_RESTARTING)
    holders = [s.execution_id for s in await house.app.manager.slots("k") if s.held]
    one, two = await house.app.wait(first.id), await house.app.wait(second.id)

    assert holders == [first.id]
    assert (one.status, two.status, trouble.seen) == ("completed", "completed", ["boom"] * 3)
    assert one.completed_at is not None
    assert two.started_at is not None
    assert one.completed_at <= two.started_at


async def test_a_slot_that_it_gave_back_is_asked_for_again(house: House) -> None:
    """With `hold: running` another may hold the key during the delay; never two at once."""
    trouble = Trouble(house, FULL)
    active = [0]
    most = [0]

    async def alone() -> None:
        active[0] += 1
        most[0] = max(most[0], active[0])
        try:
            await trouble.boom()
            await trouble.pass_gate("alone")
        finally:
            active[0] -= 1

    house.function(alone)
    text = document(
        "{id: a, type: python, function: alone}",
        delay="50ms",
        concurrency={"key": "k", "hold": "running"},
    )

    first, second = await house.start(text), await house.start(text)
    await happened(house, first, EventType.EXECUTION_RESTARTING)
    await trouble.gate("alone reached").wait()
    await asyncio.sleep(house.app.manager.store.pace.sweep + 0.3)  # longer than the delay, too
    trouble.gate("alone").set()
    done = [await house.app.wait(e.id) for e in (first, second)]

    assert [e.status for e in done] == ["completed", "completed"]
    assert most == [1]


async def test_the_delay_is_no_work(house: House) -> None:
    trouble = Trouble(house, FULL)

    async def work() -> None:
        await trouble.boom()
        await asyncio.sleep(0.1)

    house.function(work)
    began = time.monotonic()
    execution = await house.run(
        document(
            "{id: w, type: python, function: work}",
            delay="1s",
            resource_limits={"timeout": "1h"},
        )
    )
    lasted = time.monotonic() - began

    assert (execution.status, execution.error) == ("completed", None)
    assert 0.1 <= execution.worked < lasted - 0.9


async def test_work_before_a_panic_counts(house: House) -> None:
    """A limit holds for the whole execution, however often it starts again."""
    trouble = Trouble(house, FULL)

    async def work() -> None:
        await asyncio.sleep(0.3)
        await trouble.boom()

    house.function(work)
    execution = await house.run(
        document("{id: w, type: python, function: work}", resource_limits={"timeout": "500ms"})
    )

    assert execution.error is not None
    assert (execution.status, execution.error.code) == ("failed", "limit_reached")


async def test_a_panic_during_a_rollback_goes_on_with_it(house: House) -> None:
    trouble = Trouble(house, FULL)
    undo = f", rollback: [{note('undo')}, {{{BOOM}}}]"

    execution = await house.run(
        document(
            note("a", ", rollback: [{id: ua, type: python, function: note, inputs: {name: ua}}]"),
            note("b", undo),
            "{id: bad, type: python, function: fail, inputs: {name: bad}, on_error: rollback}",
            delay="100ms",
        )
    )
    found = await events(house, execution)
    panicked = next(e for e in found if e.type is EventType.EXECUTION_RESTARTING)
    after = found[panicked.seq]

    assert trouble.seen == ["a", "b", "bad", "undo", "boom", "boom", "ua"]
    assert (execution.status, execution.restarts) == ("failed", 1)
    assert execution.error is not None
    assert execution.error.path == "bad"
    assert [statuses(execution)[id] for id in "ab"] == ["compensated", "compensated"]
    assert seconds(after) - seconds(panicked) >= 0.1
    left = await house.app.manager.questions(execution_id=execution.id)
    assert list(left.items) == []


def seconds(event: Event) -> float:
    return datetime.fromisoformat(event.at).timestamp()


async def test_a_panic_during_the_rollback_of_a_stop_goes_on_with_it(house: House) -> None:
    trouble = Trouble(house, FULL)
    text = document(
        note("a", f", rollback: [{{{BOOM}}}]"),
        gate("hold"),
        error_handling={"default": "rollback"},
    )

    execution = await house.start(text)
    await trouble.gate("hold reached").wait()
    done = await asyncio.wait_for(house.app.manager.stop(execution.id), 60)

    assert (done.status, done.restarts) == ("cancelled", 1)
    assert trouble.seen == ["a", "boom", "boom"]
    assert statuses(done)["a"] == "compensated"
    assert types(await events(house, execution)).count("ExecutionRestarting") == 1


async def test_a_panic_in_what_nobody_waits_for_does_not_wait(house: House) -> None:
    """The execution starts again at once, and nothing of the time between is lost."""
    trouble = Trouble(house, FULL)
    loser = "{id: loser, type: approval, message: x}"

    execution = await house.start(
        document(
            f"{{id: p, type: parallel, wait_for: none, steps: [{{{BOOM}}}]}}",
            f"{{id: q, type: parallel, wait_for: any, steps: [{loser}, {gate('win')}]}}",
        )
    )
    await happened(house, execution, EventType.EXECUTION_RESTARTING)
    await happened(house, execution, EventType.EXECUTION_RESUMED)
    trouble.gate("win").set()
    done = await house.app.wait(execution.id)

    assert (done.status, done.restarts) == ("completed", 1)
    assert trouble.seen.count("boom") == 2
    assert statuses(done)["q.loser"] == "cancelled"
    assert await open_questions(house, execution) == []


async def test_two_panics_at_once_are_one_restart(house: House) -> None:
    Trouble(house, FULL, FULL)
    steps = ", ".join(f"{{{BOOM.replace('id: boom', f'id: b{n}')}}}" for n in range(2))

    execution = await house.run(document(f"{{id: p, type: parallel, steps: [{steps}]}}"))

    assert (execution.status, execution.restarts) == ("completed", 1)


async def test_a_fork_has_all_its_restarts_before_it(house: House) -> None:
    trouble = Trouble(house, FULL, FULL)
    text = document(f"{{{BOOM}}}", note("b"), panic={"max_restarts": 1})
    failed = await house.run(text)

    trouble.errors.append(FULL)
    started = await house.app.manager.retry(failed.id)
    execution = await house.app.wait(started.id)

    assert (failed.status, failed.restarts) == ("failed", 1)
    assert (execution.status, execution.restarts) == ("completed", 1)


async def test_a_loop_goes_on_where_it_was(house: House) -> None:
    """Nothing of its iterations runs twice, and what was decided stays."""
    calls = 0

    async def boom() -> None:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise FULL

    house.function(boom)
    add = "{id: add, type: set, values: {n: '{{ context.n + 1 }}'}}"
    execution = await house.run(
        document(
            "{id: l, type: loop, while: context.n < 50, max_iterations: 60,"
            f" steps: [{add}, {{{BOOM}}}]}}",
            context={"mutable": {"n": 0}},
            outputs={"n": {"value": "{{ context.n }}"}},
        )
    )

    assert (execution.status, execution.outputs, calls) == ("completed", {"n": 50}, 51)
