"""The system fails, not a step: the execution starts again after a while, so often and no more."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.errors import PanicError
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import QuestionStatus, Wait
from assay.testing import Clock

from ..deadlines import Deadlines
from ..running import House, Order, mapping, note, open_house, statuses
from .asking import asked, open_questions
from .lasting import events, happened, heard, types

pytestmark = pytest.mark.anyio

FULL = OSError(errno.ENOSPC, "No space left on device")
BOOM = "id: boom, type: python, function: boom"


class Trouble(Order):
    """An order in whose house `boom` meets these errors, one at each call, and then none."""

    def __init__(self, house: House, *errors: BaseException) -> None:
        super().__init__(house)
        self.errors = list(errors)
        house.function(self.boom)

    async def boom(self) -> str:
        self.seen.append("boom")
        if self.errors:
            raise self.errors.pop(0)
        return "ok"


def document(*steps: str, delay: str = "20ms", **more: Any) -> dict[str, Any]:
    """A definition of these steps that restarts soon."""
    panic = {"delay": delay, "backoff": "fixed", **more.pop("panic", {})}
    return {**mapping("\n".join(f"- {step}" for step in steps)), "panic": panic, **more}


async def told(house: House, execution: assay.Execution) -> list[Mapping[str, Any]]:
    """What the events say of the restarts."""
    found = await events(house, execution)
    return [event.data for event in found if event.type is EventType.EXECUTION_RESTARTING]


def times(found: list[Any], type: EventType) -> list[float]:
    """When events of that type happened, in seconds."""
    return [datetime.fromisoformat(event.at).timestamp() for event in found if event.type is type]


async def test_it_starts_again_and_goes_on(house: House) -> None:
    trouble = Trouble(house, FULL)

    execution = await house.run(document(note("a"), f"{{{BOOM}}}", note("b")))

    assert trouble.seen == ["a", "boom", "boom", "b"]
    assert (execution.status, execution.restarts) == ("completed", 1)
    assert statuses(execution) == {"a": "completed", "boom": "completed", "b": "completed"}


async def test_an_event_says_why_and_when(house: House) -> None:
    Trouble(house, FULL, PanicError("the cable is loose"))

    execution = await house.run(
        document(f"{{{BOOM}}}", panic={"max_restarts": 4, "backoff": "linear"})
    )
    full, cable = await told(house, execution)

    assert (full["restart"], full["of"], full["delay"]) == (1, 4, pytest.approx(0.02))
    assert (cable["restart"], cable["of"], cable["delay"]) == (2, 4, pytest.approx(0.04))
    assert (full["error"]["path"], cable["error"]["path"]) == ("boom", "boom")
    assert "No space left on device" in full["error"]["message"]
    assert "the cable is loose" in cable["error"]["message"]


@pytest.mark.parametrize(
    ("backoff", "factors"),
    [("fixed", [1, 1, 1]), ("linear", [1, 2, 3]), ("exponential", [1, 2, 4])],
)
async def test_the_delay_is_kept_and_grows(
    house: House, backoff: str, factors: list[float]
) -> None:
    Trouble(house, FULL, FULL, FULL)

    execution = await house.run(document(f"{{{BOOM}}}", panic={"backoff": backoff}))
    found = await events(house, execution)

    assert [event["delay"] for event in await told(house, execution)] == pytest.approx(
        [0.02 * factor for factor in factors]
    )
    # From one beginning to the next: that it restarts is said when it waits already.
    begun = times(found, EventType.EXECUTION_STARTED) + times(found, EventType.EXECUTION_RESUMED)
    gaps = [after - before for before, after in pairwise(begun)]
    assert [gap >= 0.02 * f - 0.001 for gap, f in zip(gaps, factors, strict=True)] == [True] * 3


async def test_it_gives_up_after_so_many(house: House) -> None:
    trouble = Trouble(house, *[FULL] * 10)

    execution = await house.run(document(f"{{{BOOM}}}", note("b"), panic={"max_restarts": 2}))

    assert trouble.seen == ["boom"] * 3
    assert (execution.status, execution.restarts) == ("failed", 2)
    assert execution.error is not None
    assert (execution.error.code, execution.error.path) == ("panic", "boom")
    assert "3 times" in execution.error.message
    assert "No space left on device" in execution.error.message


async def test_none_at_all_when_none_is_allowed(house: House) -> None:
    trouble = Trouble(house, FULL)

    execution = await house.run(document(f"{{{BOOM}}}", panic={"max_restarts": 0}))

    assert (execution.status, execution.restarts, trouble.seen) == ("failed", 0, ["boom"])
    assert execution.error is not None
    assert execution.error.code == "panic"
    assert await told(house, execution) == []


async def test_three_times_when_nothing_is_said(house: House) -> None:
    Trouble(house, FULL)

    execution = await house.start(f"- {{{BOOM}}}")
    await happened(house, execution, EventType.EXECUTION_RESTARTING)
    await house.app.manager.stop(execution.id)
    (first,) = await told(house, execution)

    assert (first["restart"], first["of"], first["delay"]) == (1, 3, 5.0)


@pytest.mark.parametrize(
    "error", [ValueError("x"), FileNotFoundError("x"), ConnectionRefusedError(111, "refused")]
)
async def test_what_is_no_panic_stays_a_failure_of_the_step(house: House, error: Exception) -> None:
    trouble = Trouble(house, error)

    execution = await house.run(document(f"{{{BOOM}, on_error: skip}}", note("b")))

    assert trouble.seen == ["boom", "b"]
    assert (execution.restarts, statuses(execution)["boom"]) == (0, "skipped")


@pytest.mark.parametrize("how", ["on_error: skip", "on_error: rollback", "retry: {attempts: 3}"])
async def test_no_policy_of_the_step_takes_a_panic(house: House, how: str) -> None:
    """It is not the step's failure, so it is not the step's to absorb, undo or try again."""
    trouble = Trouble(house, FULL)

    execution = await house.run(document(f"{{{BOOM}, {how}}}"))

    assert (execution.status, execution.restarts) == ("completed", 1)
    assert (execution.steps["boom"].attempts, trouble.seen) == (1, ["boom", "boom"])


async def test_attempts_that_failed_before_it_still_count(house: House) -> None:
    trouble = Trouble(house, ValueError("1"), FULL, ValueError("2"), ValueError("3"))

    execution = await house.run(document(f"{{{BOOM}, retry: {{attempts: 3, delay: 1ms}}}}"))

    assert trouble.seen == ["boom"] * 4
    assert (execution.status, execution.steps["boom"].attempts) == ("failed", 3)


def gate(name: str) -> str:
    return f"{{id: {name}, type: python, function: pass_gate, inputs: {{name: {name}}}}}"


async def test_beside_it_what_ran_runs_again_and_what_was_done_does_not(house: House) -> None:
    trouble = Trouble(house)
    beside = f"{note('done')}, {gate('run')}, {{id: wait, type: approval, message: x}}"
    late = f"{{id: c, type: conditional, condition: 'true', then: [{gate('hold')}, {{{BOOM}}}]}}"
    execution = await house.start(document(f"{{id: p, type: parallel, steps: [{beside}, {late}]}}"))
    before = await asked(house, execution, "p.wait")
    await trouble.gate("run reached").wait()
    trouble.errors.append(FULL)
    trouble.gate("hold").set()
    await happened(house, execution, EventType.EXECUTION_RESUMED)
    trouble.gate("run").set()
    after = await asked(house, execution, "p.wait")
    await house.app.manager.answer(after.id)
    done = await house.app.wait(execution.id)

    assert sorted(trouble.seen) == ["boom", "boom", "done", "hold", "run"]
    assert (done.status, done.restarts) == ("completed", 1)
    assert before == after
    said = types(await events(house, execution), None)
    assert (said.count("QuestionAsked"), said.count("QuestionWithdrawn")) == (1, 0)
    assert said.count("StepCancelled") == 0


PLACES = {
    "a loop": "{id: l, type: loop, until: 'true', max_iterations: 1, steps: [{B}]}",
    "a foreach": "{id: l, type: foreach, items: '[0]', steps: [{B}]}",
    "a switch": "{id: l, type: switch, value: '1', cases: {'1': [{B}]}}",
    "an any": "{id: l, type: parallel, wait_for: any, steps: [{B}]}",
    "detached work": "{id: l, type: parallel, wait_for: none, steps: [{B}]}",
    "a graph": "{id: l, type: parallel, steps: [{B}, {id: n, type: set, values: {m: 1}}]}",
    "async": "{B, async: true}",
    "needs": "{B, needs: [first]}",
    "a node of its own": "{id: s, type: sleep, duration: 1ms}\n- {B}",
    "a skill": "{id: boom, type: skill, skill: boom}",
}


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "not fused"])
@pytest.mark.parametrize("place", PLACES)
async def test_wherever_it_happens(house: House, place: str, fuse: bool) -> None:
    trouble = Trouble(house, FULL)
    house.app.skill("boom", trouble.boom)
    inner = PLACES[place].replace("B}", f"{BOOM}}}").replace("{B,", f"{{{BOOM},")
    text = document(note("first"), inner, note("last", ", needs: [boom]" * (place == "needs")))

    started = await house.app.manager.start({**text, "context": {"mutable": {"m": 0}}}, fuse=fuse)
    execution = await house.app.wait(started.id)

    assert (execution.status, execution.restarts) == ("completed", 1), execution.error
    assert (trouble.seen.count("first"), trouble.seen.count("boom")) == (1, 2)


async def test_inside_a_child(house: House) -> None:
    trouble = Trouble(house, FULL)
    await house.app.register({"name": "child", **mapping(f"{{steps: [{{{BOOM}}}]}}")})

    execution = await house.run(
        document(note("a"), "{id: w, type: workflow, workflow: child}", note("b"))
    )

    assert trouble.seen == ["a", "boom", "boom", "b"]
    assert (execution.status, execution.restarts) == ("completed", 1)


async def test_closed_during_the_delay_it_goes_on_counting(tmp_path: Path) -> None:
    text = document(f"{{{BOOM}}}", delay="1h", panic={"max_restarts": 2})
    async with open_house(tmp_path) as house:
        Trouble(house, FULL)
        execution = await house.start(text)
        await happened(house, execution, EventType.EXECUTION_RESTARTING)

    async with open_house(tmp_path) as house:
        again = Trouble(house, FULL)
        between = await house.app.manager.get(execution.id)
        await house.app.resume(execution.id)  # somebody who knows better need not wait
        await happened(house, execution, EventType.EXECUTION_RESTARTING, times=2)

    async with open_house(tmp_path) as house:
        last = Trouble(house, FULL)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)
        counted = [data["restart"] for data in await told(house, execution)]

    assert (between.status, between.restarts) == ("queued", 1)
    assert (again.seen, last.seen) == (["boom"], ["boom"])
    assert (done.status, done.restarts, counted) == ("failed", 2, [1, 2])


async def test_whoever_serves_goes_on_when_it_is_due(tmp_path: Path, clock: Clock) -> None:
    async with open_house(tmp_path) as house:
        Trouble(house, FULL)
        execution = await house.start(document(f"{{{BOOM}}}", delay="5m"))
        await happened(house, execution, EventType.EXECUTION_RESTARTING)

    async with open_house(tmp_path) as house:
        Trouble(house)
        house.app.manager.serve()
        clock.advance("5m")
        done = await house.app.manager.wait(execution.id)
        found = await events(house, execution)

    (failed,) = times(found, EventType.EXECUTION_RESTARTING)
    (resumed,) = times(found, EventType.EXECUTION_RESUMED)
    assert (done.status, resumed - failed >= 300) == ("completed", True)


async def test_stopping_during_the_delay(house: House) -> None:
    """Nothing is left that could be due some day."""
    trouble = Trouble(house, FULL)
    execution = await house.start(document(f"{{{BOOM}}}", delay="1h"))
    await happened(house, execution, EventType.EXECUTION_RESTARTING)

    done = await asyncio.wait_for(house.app.manager.stop(execution.id), 60)
    left = await house.app.manager.questions(execution_id=execution.id)

    assert (done.status, trouble.seen, list(left.items)) == ("cancelled", ["boom"], [])


async def test_pausing_during_the_delay_holds_it(house: House, deadlines: Deadlines) -> None:
    trouble = Trouble(house, FULL)
    execution = await house.start(document(f"{{{BOOM}}}", delay="5m"))
    await happened(house, execution, EventType.EXECUTION_RESTARTING)

    await house.app.manager.pause(execution.id)
    await heard(house)
    await deadlines.end(300)
    await happened(house, execution, EventType.EXECUTION_RESUMED)
    paused = await house.app.manager.wait(execution.id, until=(Status.PAUSED,))
    before = list(trouble.seen)
    await house.app.resume(execution.id)
    done = await house.app.wait(execution.id)

    assert (paused.status, before) == ("paused", ["boom"])
    assert (done.status, trouble.seen) == ("completed", ["boom", "boom"])


async def test_nothing_is_left_open_at_the_end(house: House) -> None:
    Trouble(house, FULL, FULL)

    execution = await house.run(document(f"{{{BOOM}}}"))
    kept = await house.app.manager.questions(execution_id=execution.id, status=None)

    assert [q.kind for q in kept.items] == [Wait.RETRY]
    assert [q.status for q in kept.items if q.status is QuestionStatus.OPEN] == []
    assert await open_questions(house, execution) == []
