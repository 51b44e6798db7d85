"""Waiting for a person, an event, a time: what is asked, and what an answer or its lack means."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay.graphs.errors import InvalidInput, NotAuthorized, NotPossible, QuestionClosed
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import Wait

from ..running import House, statuses
from .asking import answered, asked, open_questions

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
SHIP = "id: ship, type: approval, message: Ship it?"
AFTER = "{id: after, type: skill, skill: echo, inputs: {message: went on}}"


async def test_an_approval_asks_and_goes_on_with_the_answer(house: House) -> None:
    execution = await house.start(
        """
        name: w
        inputs: {version: {default: "2.0"}}
        steps:
          - id: ship
            type: approval
            message: Ship {{ inputs.version }}?
            schema: {type: object, properties: {risk: {enum: [low, high]}}, required: [risk]}
          - {id: then, type: skill, skill: echo,
             inputs: {message: "{{ ship.by }} {{ ship.approved }} {{ ship.risk }}"}}
        """
    )
    question = await asked(house, execution, "ship")
    waiting = await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    assert waiting.status == "waiting"
    assert (question.kind, question.message, question.path) == (Wait.APPROVAL, "Ship 2.0?", "ship")
    await house.app.manager.answer(question.id, {"risk": "low"}, by="ada", comment="go")

    ended = await house.app.wait(execution.id)
    ship = ended.steps["ship"]
    assert ship.output == {"risk": "low"}
    assert ship.outputs == {"approved": True, "by": "ada", "comment": "go"}
    assert ended.steps["then"].output == "ada true low"


async def test_a_rejection_fails_the_step_and_says_who_and_why(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}}}\n- {AFTER}")
    await answered(house, execution, "ship", approved=False, by="ada", comment="too risky")

    ended = await house.app.wait(execution.id)
    error = ended.steps["ship"].error
    assert error is not None
    assert (ended.status, statuses(ended)) == ("failed", {"ship": "failed"})
    assert (error.code, error.message) == ("rejected", "ada rejected it: too risky")


async def test_a_rejection_may_be_gone_on_with(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}, on_reject: continue}}\n- {AFTER}")
    await answered(house, execution, "ship", approved=False, by="ada", comment="no")

    ended = await house.app.wait(execution.id)
    assert ended.steps["ship"].outputs == {"approved": False, "by": "ada", "comment": "no"}
    assert ended.steps["ship"].output is None
    assert ended.status == "completed"


async def test_a_rejection_is_not_tried_again_by_a_step_around_it(house: House) -> None:
    """What a `retry` around an approval means: the whole is tried again, and asks anew."""
    execution = await house.start(
        f"- {{id: p, type: parallel, retry: {{attempts: 2, delay: 1ms}}, steps: [{{{SHIP}}}]}}"
    )
    await answered(house, execution, "p.ship", approved=False)
    await answered(house, execution, "p#2.ship")

    ended = await house.app.wait(execution.id)
    assert statuses(ended) == {"p.ship": "failed", "p#2.ship": "completed", "p": "completed"}


async def test_an_answer_that_the_schema_refuses_leaves_the_question_open(house: House) -> None:
    execution = await house.start(
        f"- {{{SHIP}, schema: {{type: integer, minimum: 1, description: how many}}}}"
    )
    with pytest.raises(InvalidInput, match=r"0 is less than the minimum of 1 \(how many\)"):
        await answered(house, execution, "ship", 0)
    with pytest.raises(InvalidInput, match="null is not of type"):
        await answered(house, execution, "ship")

    await answered(house, execution, "ship", 2)
    assert (await house.app.wait(execution.id)).steps["ship"].output == 2


LATE = "nobody answered within 40ms"
DEADLINES = [
    ("", ("failed", None, ("timeout", f"{LATE}; raise `timeout`, or say `on_timeout`"))),
    ("on_timeout: reject", ("failed", None, ("rejected", f"{LATE}, which counts as a rejection"))),
    ("on_timeout: reject, on_reject: continue", ("completed", False, None)),
    ("on_timeout: continue", ("completed", False, None)),
    ("on_timeout: approve", ("completed", True, None)),
]


@pytest.mark.parametrize(("written", "came_of_it"), DEADLINES)
async def test_the_end_of_the_time_means_what_the_step_says(
    house: House, written: str, came_of_it: tuple[str, bool | None, tuple[str, str] | None]
) -> None:
    more = f", {written}" if written else ""
    ended = await house.run(f"- {{{SHIP}, timeout: 40ms{more}}}")

    ship = ended.steps["ship"]
    error = None if ship.error is None else (ship.error.code, ship.error.message)
    assert (str(ended.status), ship.outputs.get("approved"), error) == came_of_it
    assert ship.outputs.get("by", "") == ""
    assert await open_questions(house, ended) == []


async def test_a_retry_asks_anew_with_all_the_time_there_is(house: House) -> None:
    late = await house.run(f"- {{{SHIP}, timeout: 300ms}}")
    retried = await house.app.manager.retry(late.id)

    question = await answered(house, retried, "ship", by="ada")

    ended = await house.app.wait(retried.id)
    assert question.asked_at > late.steps["ship"].completed_at
    assert (late.status, ended.status) == ("failed", "completed")


async def test_an_answer_in_time_beats_the_deadline(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}, timeout: 1h, on_timeout: reject}}")
    question = await answered(house, execution, "ship", by="ada")

    ended = await house.app.wait(execution.id)
    assert question.due is not None
    assert ended.steps["ship"].outputs["by"] == "ada"


async def test_the_same_answer_twice_is_one_and_another_is_too_late(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}}}")
    first = await answered(house, execution, "ship", by="ada")
    await house.app.wait(execution.id)

    again = await house.app.manager.answer(first.id, by="ada")

    assert again.answer == first.answer
    with pytest.raises(QuestionClosed, match="has been answered by 'ada' already"):
        await house.app.manager.answer(first.id, by="grace")
    with pytest.raises(QuestionClosed):
        await house.app.manager.answer(first.id, by="ada", approved=False)


async def test_only_the_approvers_may_answer(house: House) -> None:
    execution = await house.start(
        f"""
        name: w
        inputs: {{owner: {{default: ada}}}}
        steps: [{{{SHIP}, approvers: ["{{{{ inputs.owner }}}}", grace]}}]
        """
    )
    with pytest.raises(NotAuthorized, match=r"'eve' may not answer .*; 'ada', 'grace' may"):
        await answered(house, execution, "ship", by="eve")
    with pytest.raises(NotAuthorized, match="whoever gives no name"):
        await answered(house, execution, "ship")

    await answered(house, execution, "ship", by="ada")
    assert (await house.app.wait(execution.id)).status == "completed"


async def test_an_approver_whose_name_turns_out_empty_lets_nobody_in(house: House) -> None:
    ended = await house.run(
        f"""
        name: w
        inputs: {{owner: {{type: string}}}}
        steps: [{{{SHIP}, approvers: ["{{{{ inputs.owner }}}}"]}}]
        """
    )

    error = ended.steps["ship"].error
    assert error is not None
    assert error.message == "`approvers`: '' is no name of a person"


async def test_several_must_say_yes(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}, approvals: 2, schema: {{type: integer}}}}")
    await answered(house, execution, "ship", 1, by="ada")
    await answered(house, execution, "ship", 2, by="ada")
    [question] = await open_questions(house, execution)
    assert [(vote.by, vote.value) for vote in question.votes] == [("ada", 2)]

    await answered(house, execution, "ship", 3, by="grace", comment="and me")

    ship = (await house.app.wait(execution.id)).steps["ship"]
    assert ship.output == 3
    assert ship.outputs == {"approved": True, "by": ["ada", "grace"], "comment": "and me"}


async def test_a_single_no_rejects(house: House) -> None:
    execution = await house.start(f"- {{{SHIP}, approvals: 3, on_reject: continue}}")
    await answered(house, execution, "ship", by="ada")
    await answered(house, execution, "ship", approved=False, by="grace")

    ship = (await house.app.wait(execution.id)).steps["ship"]
    assert ship.outputs == {"approved": False, "by": ["grace"], "comment": ""}


async def test_too_few_in_time_is_nobody_in_time(house: House) -> None:
    execution = await house.start(
        f"- {{{SHIP}, approvals: 2, timeout: 300ms, on_timeout: continue}}"
    )
    question = await answered(house, execution, "ship", by="ada")

    ship = (await house.app.wait(execution.id)).steps["ship"]
    assert ship.outputs == {
        "approved": False,
        "by": [],
        "comment": "nobody answered within 0.3s",
    }
    with pytest.raises(QuestionClosed, match="nobody waits for its answer any more"):
        await house.app.manager.answer(question.id, by="grace")


async def test_others_may_answer_when_it_takes_long(house: House) -> None:
    execution = await house.start(
        f"- {{{SHIP}, approvers: [ada], escalate: {{after: 200ms, approvers: [boss]}}}}"
    )
    following = house.app.manager.follow(execution.id)
    with pytest.raises(NotAuthorized, match=r"'ada' may, and 'boss' from .* on"):
        await answered(house, execution, "ship", by="boss")

    async for event in following:
        if event.type is EventType.QUESTION_ESCALATED:
            break
    await answered(house, execution, "ship", by="boss")

    assert (event.path, event.data["approvers"]) == ("ship", ["boss"])
    assert (await house.app.wait(execution.id)).steps["ship"].outputs["by"] == "boss"


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
