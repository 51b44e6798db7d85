"""Approvals: what is asked, who may answer, and what a yes, a no or neither means."""

from __future__ import annotations

import pytest

from assay.graphs.errors import InvalidInput, NotAuthorized, QuestionClosed
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import Wait
from assay.testing import Clock

from ..running import House, statuses
from .asking import answered, asked, open_questions

pytestmark = pytest.mark.anyio

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


async def test_a_retry_asks_anew_with_all_the_time_there_is(house: House, clock: Clock) -> None:
    started = await house.start(f"- {{{SHIP}, timeout: 1h}}")
    question = await asked(house, started, "ship")
    assert question.due is not None
    clock.reach(question.due)
    late = await house.app.wait(started.id)
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


async def test_too_few_in_time_have_decided_nothing(house: House, clock: Clock) -> None:
    execution = await house.start(f"- {{{SHIP}, approvals: 2, timeout: 1h, on_timeout: continue}}")
    question = await answered(house, execution, "ship", by="ada")
    clock.advance("1h")

    ship = (await house.app.wait(execution.id)).steps["ship"]
    assert ship.outputs == {
        "approved": False,
        "by": [],
        "comment": "fewer than 2 people said yes within 1h",
    }
    with pytest.raises(QuestionClosed, match="nobody waits for its answer any more"):
        await house.app.manager.answer(question.id, by="grace")


async def test_others_may_answer_when_it_takes_long(house: House, clock: Clock) -> None:
    execution = await house.start(
        f"- {{{SHIP}, approvers: [ada], escalate: {{after: 1h, approvers: [boss]}}}}"
    )
    following = house.app.manager.follow(execution.id)
    with pytest.raises(NotAuthorized, match=r"'ada' may, and 'boss' from .* on"):
        await answered(house, execution, "ship", by="boss")

    clock.advance("1h")
    async for event in following:
        if event.type is EventType.QUESTION_ESCALATED:
            break
    await answered(house, execution, "ship", by="boss")

    assert (event.path, event.data["approvers"]) == ("ship", ["boss"])
    assert (await house.app.wait(execution.id)).steps["ship"].outputs["by"] == "boss"
