"""`effects: once`: what must not happen twice happens once, or somebody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.errors import InvalidInput, QuestionClosed
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import Question, QuestionStatus, Wait

from ..running import House, Order, note, open_house, problems, statuses, warnings
from .asking import asked, open_questions
from .lasting import events, happened, types

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

PAY = "id: pay, type: python, function: pass_gate, inputs: {name: pay}, effects: once"
TEXT = f"- {note('a')}\n- {{{PAY}}}\n- {note('b')}"


async def cut_off(folder: Path, text: str = TEXT, path: str = "pay") -> assay.Execution:
    """An execution whose app was closed while the step ran."""
    async with open_house(folder) as house:
        order = Order(house)
        execution = await house.start(text)
        await order.gate("pay reached").wait()
        begun = await happened(house, execution, EventType.STEP_STARTED, path)
        assert begun.seq, "the intent is durable before the effect"
    return execution


async def resumed(house: House, execution: assay.Execution, path: str = "pay") -> Question:
    """The question that the execution asks when it goes on."""
    await house.app.resume(execution.id)
    return await asked(house, execution, path)


async def says(house: House, question: Question, answer: Mapping[str, Any], **more: Any) -> None:
    await house.app.manager.answer(question.id, answer, by="ada", **more)


async def test_it_runs_once(house: House, order: Order) -> None:
    order.gate("pay").set()

    execution = await house.run(TEXT)

    assert order.seen == ["a", "pay", "b"]
    assert execution.status == "completed"
    assert await open_questions(house, execution) == []


@pytest.mark.parametrize(
    "again",
    [
        "retry: {attempts: 5, delay: 1ms}",
        "on_error: {strategy: retry, attempts: 5, delay: 1ms}",
    ],
)
async def test_it_is_never_tried_again(house: House, order: Order, again: str) -> None:
    execution = await house.run(
        f"- {{id: pay, type: python, function: fail, effects: once, {again}}}"
    )

    assert order.seen == [""]
    assert execution.steps["pay"].attempts == 1
    assert EventType.STEP_RETRYING not in [e.type for e in await events(house, execution)]


async def test_the_defaults_do_not_have_it_tried_again(house: House, order: Order) -> None:
    await house.run(
        """
        name: w
        defaults: {retry: {attempts: 3, delay: 1ms}}
        steps: [{id: pay, type: python, function: fail, effects: once}]
        """
    )

    assert order.seen == [""]


def test_a_retry_that_never_happens_is_a_warning() -> None:
    said = "{id: pay, type: shell, command: pay, effects: once, retry: {attempts: 3}}"

    assert any("`effects: once`" in warning for warning in warnings(f"- {said}"))


async def test_cut_off_it_becomes_a_question(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        order = Order(house)
        before = await house.app.manager.get(execution.id)
        question = await resumed(house, execution)
        waiting = await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    assert statuses(before) == {"a": "completed"}
    assert waiting.status == "waiting"
    assert (question.kind, question.path) == (Wait.ONCE, "pay")
    assert set(question.choices) == {"happened", "repeat", "fail"}
    assert "'pay'" in question.message
    assert order.seen == []


async def test_it_happened(tmp_path: Path) -> None:
    """The answer's output is the step's; a mapping names its outputs."""
    execution = await cut_off(
        tmp_path,
        f"- {{{PAY}}}\n- {{id: b, type: skill, skill: echo, inputs: {{message: pay.receipt}}}}",
    )

    async with open_house(tmp_path) as house:
        order = Order(house)
        question = await resumed(house, execution)
        await says(house, question, {"outcome": "happened", "output": {"receipt": "r1"}})
        done = await house.app.wait(execution.id)

    assert order.seen == []
    assert done.steps["pay"].output == {"receipt": "r1"}
    assert done.steps["pay"].outputs == {"receipt": "r1"}
    assert done.steps["b"].output == "pay.receipt"
    assert done.status == "completed"


async def test_it_happened_and_gave_nothing(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        order = Order(house)
        await says(house, await resumed(house, execution), {"outcome": "happened"})
        done = await house.app.wait(execution.id)

    assert order.seen == ["b"]
    assert (done.steps["pay"].status, done.steps["pay"].output) == ("completed", None)


async def test_it_is_repeated(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        order = Order(house)
        order.gate("pay").set()
        await says(house, await resumed(house, execution), {"outcome": "repeat"})
        done = await house.app.wait(execution.id)

    assert order.seen == ["pay", "b"]
    assert done.steps["pay"].output == "pay"


async def test_cut_off_again_it_asks_again(tmp_path: Path) -> None:
    """What was said of the first time is not taken for what became of the second."""
    execution = await cut_off(tmp_path)
    async with open_house(tmp_path) as house:
        order = Order(house)
        first = await resumed(house, execution)
        await says(house, first, {"outcome": "repeat"})
        await order.gate("pay reached").wait()

    async with open_house(tmp_path) as house:
        order = Order(house)
        second = await resumed(house, execution, "pay?1")
        with pytest.raises(QuestionClosed):
            await says(house, first, {"outcome": "fail"})
        await says(house, second, {"outcome": "happened", "output": 2})
        done = await house.app.wait(execution.id)
        kept = await house.app.manager.questions(execution_id=execution.id, status=None)

    assert (first.id != second.id, order.seen) == (True, ["b"])
    assert done.steps["pay"].output == 2
    assert [q.status for q in kept.items] == [QuestionStatus.ANSWERED] * 2


async def test_an_answer_outlives_the_process(tmp_path: Path) -> None:
    """Answered while nobody ran: the step does not run, and nobody is asked again."""
    execution = await cut_off(tmp_path)
    async with open_house(tmp_path) as house:
        question = await resumed(house, execution)
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    async with open_house(tmp_path) as house:
        await says(house, question, {"outcome": "happened", "output": "kept"})

    async with open_house(tmp_path) as house:
        order = Order(house)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)
        said = await events(house, execution)

    assert order.seen == ["b"]
    assert done.steps["pay"].output == "kept"
    assert types(said, "pay").count("QuestionAsked") == 1


async def test_it_fails(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        order = Order(house)
        question = await resumed(house, execution)
        await says(house, question, {"outcome": "fail"}, comment="the bank is closed")
        done = await house.app.wait(execution.id)

    error = done.error
    assert order.seen == []
    assert (done.status, statuses(done)) == ("failed", {"a": "completed", "pay": "failed"})
    assert error is not None
    assert (error.code, error.path) == ("effect_unknown", "pay")
    assert "the bank is closed" in error.message


async def test_what_failed_so_can_be_softened(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path, f"- {{{PAY}, on_error: skip}}\n- {note('b')}")

    async with open_house(tmp_path) as house:
        order = Order(house)
        await says(house, await resumed(house, execution), {"outcome": "fail"})
        done = await house.app.wait(execution.id)

    assert (done.status, order.seen) == ("completed", ["b"])
    assert done.steps["pay"].status == "skipped"


@pytest.mark.parametrize(
    "answer", [None, {}, {"outcome": "maybe"}, {"outcome": "repeat", "more": 1}, "repeat"]
)
async def test_an_answer_that_says_nothing_is_refused(tmp_path: Path, answer: Any) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        question = await resumed(house, execution)
        with pytest.raises(InvalidInput):
            await says(house, question, answer)
        assert await open_questions(house, execution) == [question]


async def test_stopping_while_it_waits(tmp_path: Path) -> None:
    execution = await cut_off(tmp_path)

    async with open_house(tmp_path) as house:
        order = Order(house)
        await resumed(house, execution)
        done = await asyncio.wait_for(house.app.manager.stop(execution.id), 60)
        left = await house.app.manager.questions(execution_id=execution.id)

    assert (done.status, order.seen, list(left.items)) == ("cancelled", [], [])
    assert done.steps["pay"].status == "cancelled"


async def test_each_branch_asks_for_itself(tmp_path: Path) -> None:
    """Two effects were cut off beside each other; what went wrong with one is one answer."""
    body = f"[{{{PAY}}}]"
    text = f"- {{id: each, type: foreach, items: '[0, 1]', steps: {body}}}"
    execution = await cut_off(tmp_path, text, "each[1].pay")

    async with open_house(tmp_path) as house:
        order = Order(house)
        order.gate("pay").set()
        await house.app.resume(execution.id)
        await asked(house, execution, "each[0].pay", "each[1].pay")
        first, second = await open_questions(house, execution)
        await says(house, first, {"outcome": "happened", "output": "paid"})
        await says(house, second, {"outcome": "repeat"})
        done = await house.app.wait(execution.id)

    assert order.seen == ["pay"]
    assert done.steps["each"].output == ["paid", "pay"]


@pytest.mark.parametrize(
    "control",
    [
        "type: foreach, items: '[0]', steps: [{STEP}]",
        "type: loop, until: 'true', max_iterations: 1, steps: [{STEP}]",
        "type: parallel, steps: [{STEP}]",
        "type: conditional, condition: 'true', then: [{STEP}]",
        "type: workflow, workflow: child",
    ],
)
def test_a_step_that_holds_others_has_no_effect_of_its_own(control: str) -> None:
    """What is inside says so for itself; asking about the whole would help nobody."""
    text = control.replace("STEP", "id: pay, type: shell, command: pay")

    assert ["effects" in p.path for p in problems(f"- {{id: c, effects: once, {text}}}")] == [True]


async def test_a_cached_result_needs_no_effect(house: House, order: Order) -> None:
    order.gate("pay").set()
    text = f"- {{{PAY}, cache: {{key: k}}}}"

    await house.run(text)
    execution = await house.run(text)

    assert order.seen == ["pay"]
    assert execution.steps["pay"].cached


async def test_what_never_began_is_not_asked_about(tmp_path: Path) -> None:
    text = f"- {{id: first, type: python, function: pass_gate, inputs: {{name: pay}}}}\n- {{{PAY}}}"
    execution = await cut_off(tmp_path, text, "first")

    async with open_house(tmp_path) as house:
        order = Order(house)
        order.gate("pay").set()
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert (done.status, order.seen) == ("completed", ["pay", "pay"])
