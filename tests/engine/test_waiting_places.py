"""Where a step may wait: iterations, items, branches, children; and what its waiting holds up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from assay.graphs.errors import QuestionClosed
from assay.graphs.execution import Status
from assay.graphs.question import QuestionStatus

from ..running import House, Order, note, statuses
from .asking import answered, asked, ended, open_questions

pytestmark = pytest.mark.anyio

INTEGER = "message: Which?, schema: {type: integer}"


async def test_each_iteration_of_a_loop_asks_for_itself(house: House) -> None:
    execution = await house.start(
        f"""
        - id: l
          type: loop
          until: more.output == 0
          max_iterations: 5
          steps: [{{id: more, type: approval, {INTEGER}}}]
        """
    )
    questions = [
        await answered(house, execution, f"l[{turn}].more", said)
        for turn, said in enumerate((2, 1, 0))
    ]

    done = await house.app.wait(execution.id)
    assert done.steps["l"].outputs == {"iterations": 3}
    assert len({question.id for question in questions}) == 3


async def test_items_wait_at_once_and_are_answered_in_any_order(house: House) -> None:
    """An item that waits leaves its place to the next: two at once, and all twenty ask."""
    execution = await house.start(
        f"""
        - id: each
          type: foreach
          concurrency: 2
          items: "{list(range(20))}"
          steps: [{{id: a, type: approval, {INTEGER}}}]
        """
    )
    paths = [f"each[{index}].a" for index in range(20)]
    await asked(house, execution, *paths)
    random.Random(5).shuffle(paths)
    for path in paths:
        index = int(path.removeprefix("each[").removesuffix("].a"))
        await answered(house, execution, path, index * index)

    done = await house.app.wait(execution.id)
    assert done.steps["each"].output == [index * index for index in range(20)]


async def test_a_branch_that_waits_does_not_hold_up_the_others(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - id: p
          type: parallel
          steps:
            - {{id: a, type: approval, message: x}}
            - {{id: c, type: conditional, condition: "true", then: [{note("one")}, {note("two")}]}}
        """
    )
    await asked(house, execution, "p.a")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    assert order.seen == ["one", "two"]

    await answered(house, execution, "p.a")
    assert (await house.app.wait(execution.id)).status == "completed"


async def test_the_first_answer_wins_an_any_and_the_other_question_is_withdrawn(
    house: House,
) -> None:
    execution = await house.start(
        """
        - id: p
          type: parallel
          wait_for: any
          steps: [{id: a, type: approval, message: x}, {id: b, type: approval, message: x}]
        """
    )
    loser = await asked(house, execution, "p.b", "p.a")
    await answered(house, execution, "p.b")

    done = await house.app.wait(execution.id)
    assert done.steps["p"].outputs == {"winner": "b"}
    assert statuses(done)["p.a"] == "cancelled"
    with pytest.raises(QuestionClosed, match="nobody waits"):
        await house.app.manager.answer(loser.id)


async def test_work_wins_an_any_over_a_branch_that_waits(house: House, order: Order) -> None:
    done = await house.run(
        f"""
        - id: p
          type: parallel
          wait_for: any
          steps: [{{id: a, type: approval, message: x}}, {note("work")}]
        """
    )

    assert done.steps["p"].outputs == {"winner": "work"}
    assert await open_questions(house, done) == []


@pytest.mark.parametrize("kind", ["parallel", "foreach", "needs"])
async def test_a_failure_withdraws_what_its_siblings_ask(
    house: House, order: Order, kind: str
) -> None:
    """No answer could save the step any more, so nobody is asked for one."""
    wait = "{id: ask, type: approval, message: x}"
    fail = "{id: bad, type: python, function: fail, inputs: {name: bad}}"
    slow = "{id: slow, type: python, function: pass_gate, inputs: {name: slow}}"
    text = {
        "parallel": f"- {{id: p, type: parallel, steps: [{wait}, {slow}, {fail}]}}",
        "needs": "- {id: first, needs: [], type: skill, skill: echo}\n"
        + "\n".join(f"- {step}" for step in (wait, slow, fail)),
        "foreach": f"""
        - id: p
          type: foreach
          items: "['ask', 'slow', 'bad']"
          steps: [{{id: s, type: switch, value: item, cases:
                  {{ask: [{wait}], slow: [{slow}], bad: [{fail}]}}}}]
        """,
    }[kind]
    path = {"parallel": "p.ask", "needs": "ask", "foreach": "p[0].s.ask"}[kind]
    execution = await house.start(text)
    question = await asked(house, execution, path)
    await order.gate("slow reached").wait()
    await order.gate("failed").wait()
    order.gate("slow").set()

    done = await house.app.wait(execution.id)
    assert done.status == "failed"
    assert order.seen == ["bad", "slow"]
    assert statuses(done)[path] == "cancelled"
    kept = await house.app.manager.store.question(question.id)
    assert kept.status is QuestionStatus.WITHDRAWN


async def test_a_child_workflow_asks_inside_its_parent(house: House) -> None:
    child = house.workspace / "child.yaml"
    child.write_text(
        f"""
name: child
version: "1"
outputs: {{n: {{value: "{{{{ ask.output }}}}"}}}}
steps: [{{id: ask, type: approval, {INTEGER}}}]
"""
    )
    parent = house.workspace / "parent.yaml"
    parent.write_text(
        """
name: parent
version: "1"
outputs: {n: {value: "{{ c.n }}"}}
steps: [{id: c, type: workflow, workflow: child.yaml}]
"""
    )
    execution = await house.start(parent)
    await answered(house, execution, "c.ask", 7)

    assert (await house.app.wait(execution.id)).outputs == {"n": 7}


async def test_an_async_step_waits_beside_the_list(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - {{id: ask, type: approval, async: true, {INTEGER}}}
        - {note("beside")}
        - {{id: then, type: skill, skill: echo, inputs: {{message: ask.output}}}}
        """
    )
    await asked(house, execution, "ask")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    assert order.seen == ["beside"]

    await answered(house, execution, "ask", 3)
    assert (await house.app.wait(execution.id)).steps["then"].output == 3


async def test_a_branch_that_nobody_waits_for_may_wait(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - {{id: p, type: parallel, wait_for: none, steps: [{{id: ask, type: approval, {INTEGER}}}]}}
        - {note("on")}
        """
    )
    await answered(house, execution, "p.ask", 3)

    done = await house.app.wait(execution.id)
    assert statuses(done) == {"p": "completed", "on": "completed", "p.ask": "completed"}


async def test_a_stop_cancels_a_branch_that_waits(house: House, order: Order) -> None:
    done = await house.run(
        f"""
        - id: p
          type: parallel
          steps:
            - {{id: ask, type: approval, message: x}}
            - {{id: enough, type: assert, condition: "false", on_false: stop}}
        - {note("never")}
        """
    )

    assert (done.status, order.seen) == ("completed", [])
    assert await open_questions(house, done) == []


async def test_an_approved_step_is_compensated_like_any_other(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - {{id: ask, type: approval, message: x, rollback: [{note("told")}]}}
        - {{id: bad, type: skill, skill: fail, on_error: rollback}}
        """
    )
    await answered(house, execution, "ask")

    done = await house.app.wait(execution.id)
    assert (done.status, done.steps["ask"].status) == ("failed", "compensated")
    assert order.seen == ["told"]


async def test_a_compensation_may_ask(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - id: a
          type: skill
          skill: echo
          rollback: [{{id: may, type: approval, message: Undo it?}}, {note("undone")}]
        - {{id: bad, type: skill, skill: fail, on_error: rollback}}
        """
    )
    question = await asked(house, execution, "a/rollback.may")
    waiting = await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    assert (waiting.status, question.message) == ("waiting", "Undo it?")

    await house.app.manager.answer(question.id)
    done = await house.app.wait(execution.id)
    assert (done.status, done.steps["a"].status, order.seen) == (
        "failed",
        "compensated",
        ["undone"],
    )


async def test_steps_after_one_that_waits_run_once(house: House, order: Order) -> None:
    execution = await house.start(
        f"""
        - {note("before")}
        - id: p
          type: parallel
          steps:
            - id: c
              type: conditional
              condition: "true"
              then: [{{id: a, type: approval, message: x}}, {note("a2")}]
            - id: d
              type: conditional
              condition: "true"
              then: [{{id: b, type: approval, message: x}}, {note("b2")}]
        - {note("after")}
        """
    )
    await answered(house, execution, "p.d.b")
    await answered(house, execution, "p.c.a")
    await house.app.wait(execution.id)

    assert Counter(order.seen) == dict.fromkeys(("before", "a2", "b2", "after"), 1)


async def test_a_pause_holds_what_an_answer_set_free(house: House, order: Order) -> None:
    execution = await house.start(f"- {{id: a, type: approval, message: x}}\n- {note('after')}")
    await asked(house, execution, "a")
    await house.app.manager.pause(execution.id)
    await answered(house, execution, "a")
    await ended(house, execution, "a")
    paused = await house.app.manager.wait(execution.id, until=(Status.PAUSED,))
    assert (paused.status, order.seen) == ("paused", [])

    await house.app.manager.resume(execution.id)
    assert (await house.app.wait(execution.id)).status == "completed"


async def test_waiting_executions_give_their_place_to_others(house: House) -> None:
    """More executions wait than may run at once."""
    text = "- {id: a, type: approval, message: x}\n- {id: b, type: sleep, duration: 1ms}"
    executions = [await house.start(text) for _ in range(60)]
    for execution in executions:
        await asked(house, execution, "a")
    for execution in reversed(executions):
        await answered(house, execution, "a")

    done = await asyncio.gather(*(house.app.wait(e.id) for e in executions))
    assert {str(e.status) for e in done} == {"completed"}
