"""Waiting for a time and for an event: when it ends, and what it gives."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay.graphs.errors import NotPossible, QuestionClosed
from assay.graphs.execution import Status

from ..running import House
from .asking import answered, asked

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
SHIP = "id: ship, type: approval, message: Ship it?"
AFTER = "{id: after, type: skill, skill: echo, inputs: {message: went on}}"


async def test_a_sleep_lasts_as_long_as_it_says(house: House) -> None:
    before = datetime.now(UTC)
    ended = await house.run(
        """
        name: w
        inputs: {n: {type: integer, default: 40}}
        steps: [{id: s, type: sleep, duration: "{{ inputs.n }}ms"}]
        """
    )

    moment = datetime.fromisoformat(ended.steps["s"].output)
    assert ended.status == "completed"
    assert before + timedelta(milliseconds=40) <= moment <= datetime.now(UTC)


async def test_a_sleep_lasts_until_a_time(house: House) -> None:
    ended = await house.run(
        """
        - {id: soon, type: sleep, until: "timestamp(now()) + duration('30ms')"}
        - {id: past, type: sleep, until: 2020-01-31t10:00:00.5+01:00}
        - {id: read, type: sleep, until: past.output}
        """
    )

    assert ended.status == "completed", ended.error
    assert ended.steps["past"].output == "2020-01-31T09:00:00.500000Z"
    assert ended.steps["read"].output == ended.steps["past"].output
    asked = datetime.fromisoformat(ended.steps["soon"].started_at)
    assert datetime.fromisoformat(ended.steps["soon"].output) - asked < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("written", "value", "says"),
    [
        ("duration: '{{ inputs.x }}'", "soon", "`duration`: 'soon' is not a duration"),
        ("duration: '{{ inputs.x }}'", "-5s", "`duration`: '-5s' is not a duration"),
        ("duration: '{{ inputs.x }}'", "5", "`duration`: a duration needs a unit; write 5s"),
        ("duration: '{{ inputs.x }}'", "366d", "`duration`: '366d' is more than 365 days away"),
        ("until: inputs.x", "9999-12-31T23:59:59Z", "is more than 365 days away"),
        ("until: inputs.x", "tomorrow", "`until`: 'tomorrow' is not a time; write for example"),
        ("until: inputs.x", "2026-01-01T00:00:00", "is not a time"),
        ("until: inputs.x", "2026-02-30T00:00:00Z", "is not a time"),
        ("until: inputs.x", "0001-01-01T00:00:00+01:00", "is not a time"),
        ("until: size(inputs.x)", "abc", "`until`: '3' is not a time"),
    ],
)
async def test_a_sleep_without_a_sensible_end_fails(
    house: House, written: str, value: str, says: str
) -> None:
    ended = await house.run(
        f"""
        name: w
        inputs: {{x: {{required: true}}}}
        steps: [{{id: s, type: sleep, {written}}}]
        """,
        {"x": value},
    )

    error = ended.steps["s"].error
    assert error is not None
    assert says in error.message


async def test_nobody_can_answer_a_sleep_or_an_event(house: House) -> None:
    execution = await house.start(
        """
        - id: p
          type: parallel
          steps: [{id: s, type: sleep, duration: 1h}, {id: e, type: wait_event, event: done}]
        """
    )
    event = await asked(house, execution, "p.e")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    page = await house.app.manager.questions(execution_id=execution.id)
    [sleep] = [question for question in page.items if question.timed]

    with pytest.raises(NotPossible, match="waits for time only until"):
        await house.app.manager.answer(sleep.id)
    with pytest.raises(NotPossible, match="waits for the event 'done': send that event"):
        await house.app.manager.answer(event.id)
    await house.app.manager.stop(execution.id)


async def test_an_event_is_waited_for(house: House) -> None:
    execution = await house.start(
        """
        - {id: paid, type: wait_event, event: paid, key: "{{ 40 + 2 }}"}
        - {id: then, type: skill, skill: echo, inputs: {message: paid.key}}
        - {id: sum, type: skill, skill: echo, inputs: {message: "{{ paid.amount }}"}}
        """
    )
    question = await asked(house, execution, "paid")
    assert (question.event, question.key) == ("paid", "42")

    assert await house.app.manager.send_event("paid", {"amount": 1}, key="43") == []
    assert await house.app.manager.send_event("paid", {"amount": 2}) == []
    told = await house.app.manager.send_event("paid", {"amount": 3}, key="42", id="e1")

    ended = await house.app.wait(execution.id)
    assert list(told) == [execution.id]
    assert ended.steps["paid"].output == {"amount": 3}
    assert ended.steps["paid"].outputs == {"id": "e1", "key": "42"}
    assert (ended.steps["then"].output, ended.steps["sum"].output) == ("42", 3)


async def test_an_event_that_came_before_the_wait_counts(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}}}\n- {{id: e, type: wait_event, event: done}}")
    await asked(house, execution, "ship")
    await house.app.manager.send_event("done", "early")
    await answered(house, execution, "ship")

    assert (await house.app.wait(execution.id)).steps["e"].output == "early"


async def test_an_event_from_before_the_execution_does_not_count(house: House) -> None:
    await house.app.manager.send_event("done", "much too early")
    execution = await house.start("- {id: e, type: wait_event, event: done}")
    await asked(house, execution, "e")
    await house.app.manager.send_event("done", "in time")

    assert (await house.app.wait(execution.id)).steps["e"].output == "in time"


@pytest.mark.parametrize("early", [True, False])
async def test_an_event_is_taken_once_by_an_execution(house: House, early: bool) -> None:
    waits = "{id: %s, type: wait_event, event: done}"
    execution = await house.start(
        f"""
        - {{{SHIP}}}
        - {{id: p, type: parallel, steps: [{waits % "a"}, {waits % "b"}]}}
        """
    )
    question = await asked(house, execution, "ship")
    if not early:
        await house.app.manager.answer(question.id)
        await asked(house, execution, "p.a", "p.b")
    for said in ("first", "second"):
        await house.app.manager.send_event("done", said)
    if early:
        await house.app.manager.answer(question.id)

    ended = await house.app.wait(execution.id)
    assert {ended.steps["p.a"].output, ended.steps["p.b"].output} == {"first", "second"}


async def test_an_event_is_told_to_every_execution(house: House) -> None:
    both = [await house.start("- {id: e, type: wait_event, event: done}") for _ in range(2)]
    for execution in both:
        await asked(house, execution, "e")

    told = await house.app.manager.send_event("done", "all", id="once")
    again = await house.app.manager.send_event("done", "all", id="once")

    ended = await asyncio.gather(*(house.app.wait(e.id) for e in both))
    assert (set(told), list(again)) == ({e.id for e in both}, [])
    assert [e.steps["e"].output for e in ended] == ["all", "all"]


async def test_an_emitted_event_is_heard(house: House) -> None:
    execution = await house.start("- {id: e, type: wait_event, event: done}")
    await asked(house, execution, "e")

    await house.run("- {id: s, type: emit, event: done, payload: {n: 1}}")

    assert (await house.app.wait(execution.id)).steps["e"].output == {"n": 1}


@pytest.mark.parametrize("key", ["{{ inputs.key }}", "{{ [1] }}", ""])
async def test_a_key_that_turns_out_to_be_none_does_not_fit_every_event(
    house: House, key: str
) -> None:
    ended = await house.run(
        f"""
        name: w
        inputs: {{key: {{type: string}}}}
        steps: [{{id: e, type: wait_event, event: done, key: "{key}"}}]
        """
    )

    error = ended.steps["e"].error
    assert error is not None
    assert "it must be a text or a number" in error.message


async def test_an_event_that_does_not_come_in_time(house: House) -> None:
    ended = await house.run(
        f"""
        - {{id: a, type: wait_event, event: x, timeout: 30ms, on_timeout: continue}}
        - {{id: b, type: wait_event, event: x, key: k, timeout: 30ms, on_error: skip}}
        - {AFTER}
        """
    )

    a, b = ended.steps["a"], ended.steps["b"]
    assert (a.output, a.outputs) == (None, {"id": None, "key": None})
    assert b.error is not None
    assert b.error.code == "timeout"
    assert b.error.message.startswith("no event 'x' with key 'k' came within 30ms")
    assert ended.steps["after"].output == "went on"


async def test_stopping_withdraws_what_was_asked(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}}}")
    question = await asked(house, execution, "ship")

    stopped = await house.app.manager.stop(execution.id)

    assert (stopped.status, stopped.steps["ship"].status) == ("cancelled", "cancelled")
    with pytest.raises(QuestionClosed, match="nobody waits"):
        await house.app.manager.answer(question.id)


async def test_what_the_documentation_shows_waits_as_it_says(house: House) -> None:
    (text,) = re.findall(r"^```yml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    execution = await house.start(text)
    await asked(house, execution, "notes")
    await house.app.manager.send_event("notes-written", {"title": "Seven"}, key="release-7")
    await answered(house, execution, "ship", by="ada")
    question = await answered(house, execution, "ship", by="grace")

    ended = await house.app.wait(execution.id)
    assert question.message == "Ship Seven?"
    assert (ended.status, ended.steps["ship"].outputs["by"]) == ("completed", ["ada", "grace"])
