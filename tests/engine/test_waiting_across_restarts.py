"""A wait outlives the process: answered while nobody ran, ended while nobody ran, asked once."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.graphs.errors import QuestionClosed
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.question import QuestionStatus
from assay.testing import Clock

from ..running import Order, note, open_house, statuses
from .asking import answered, asked, ended, open_questions
from .turns import Turns, alone, waiting

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

ASK = "id: ask, type: approval, message: x"


async def test_a_question_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {{{ASK}, timeout: 1h}}")
        before = await asked(house, execution, "ask")
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        parked = await house.app.manager.get(execution.id)
        await house.app.resume(execution.id)
        after = await asked(house, execution, "ask")
        await answered(house, execution, "ask", by="ada")
        done = await house.app.wait(execution.id)
        events = [e.type async for e in house.app.manager.events(execution.id)]

    assert (parked.status, after) == ("waiting", before)
    assert done.steps["ask"].outputs["by"] == "ada"
    assert events.count(EventType.QUESTION_ASKED) == events.count(EventType.STEP_STARTED) == 1


async def test_an_answer_counts_that_came_while_nobody_ran(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {{{ASK}, timeout: 1h, on_timeout: reject}}")
        await asked(house, execution, "ask")

    async with open_house(tmp_path) as house:  # opens the store, drives nothing
        await answered(house, execution, "ask", by="ada")
        still = await house.app.manager.get(execution.id)

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert not still.status.terminal
    assert done.steps["ask"].outputs["by"] == "ada"


async def test_an_answer_is_not_lost_when_the_app_closes_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {{{ASK}}}\n- {{{ASK.replace('ask', 'again')}}}")
        await answered(house, execution, "ask", by="ada")

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        await answered(house, execution, "again", by="grace")
        done = await house.app.wait(execution.id)

    assert [s.outputs["by"] for s in done.steps.values()] == ["ada", "grace"]


async def test_votes_are_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {{{ASK}, approvals: 2}}")
        await answered(house, execution, "ask", by="ada")

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        await answered(house, execution, "ask", by="grace")
        done = await house.app.wait(execution.id)

    assert done.steps["ask"].outputs["by"] == ["ada", "grace"]


async def test_a_deadline_passes_while_nobody_runs(tmp_path: Path, clock: Clock) -> None:
    """It ends as it would have with somebody there: an answer after it is too late."""
    async with open_house(tmp_path) as house:
        execution = await house.start(f"- {{{ASK}, timeout: 1h, on_timeout: continue}}")
        question = await asked(house, execution, "ask")

    async with open_house(tmp_path) as house:
        assert question.due is not None
        clock.reach(question.due)
        with pytest.raises(QuestionClosed, match="the time to answer it ended at"):
            await house.app.manager.answer(question.id, by="ada")
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)
        kept = await house.app.manager.store.question(question.id)

    assert done.steps["ask"].outputs["approved"] is False
    assert kept.status is QuestionStatus.WITHDRAWN


async def test_a_sleep_ends_while_nobody_runs(tmp_path: Path, clock: Clock) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(
            "- {id: s, type: sleep, duration: 1h}\n- {id: t, type: sleep, duration: 1ms}"
        )
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))
        page = await house.app.manager.questions(execution_id=execution.id)

    async with open_house(tmp_path) as house:
        [sleep] = page.items
        assert sleep.due is not None
        clock.reach(sleep.due)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)
        left = await house.app.manager.questions(execution_id=execution.id)

    assert statuses(done) == {"s": "completed", "t": "completed"}
    assert list(left.items) == []


async def test_an_event_counts_that_came_while_nobody_ran(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start("- {id: e, type: wait_event, event: done, key: k}")
        await asked(house, execution, "e")

    async with open_house(tmp_path) as house:
        told = await house.app.manager.send_event("done", 5, key="k")

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert list(told) == [execution.id]
    assert done.steps["e"].output == 5


async def test_an_event_after_the_deadline_is_too_late(tmp_path: Path, clock: Clock) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(
            "- {id: e, type: wait_event, event: done, timeout: 1h, on_timeout: continue}"
        )
        question = await asked(house, execution, "e")

    async with open_house(tmp_path) as house:
        assert question.due is not None
        clock.reach(question.due)
        await house.app.manager.send_event("done", "late")
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert done.steps["e"].outputs["id"] is None


async def test_only_what_was_answered_goes_on(tmp_path: Path) -> None:
    """Items that were answered are not asked again, and what ran after them is not run again."""
    body = f"[{{{ASK}}}, {note('then')}]"
    async with open_house(tmp_path) as house:
        order = Order(house)
        execution = await house.start(
            f"- {{id: each, type: foreach, items: '[0, 1, 2]', steps: {body}}}"
        )
        await asked(house, execution, *(f"each[{index}].ask" for index in range(3)))
        await answered(house, execution, "each[1].ask")
        await ended(house, execution, "each[1].then")

    async with open_house(tmp_path) as house:
        again = Order(house)
        await house.app.resume(execution.id)
        await asked(house, execution, "each[0].ask", "each[2].ask")
        paths = [question.path for question in await open_questions(house, execution)]
        await answered(house, execution, "each[2].ask")
        await answered(house, execution, "each[0].ask")
        done = await house.app.wait(execution.id)

    assert (order.seen, again.seen) == (["then"], ["then", "then"])
    assert paths == ["each[0].ask", "each[2].ask"]
    assert done.status == "completed"


async def test_draining_keeps_the_question_of_a_branch_that_waits(tmp_path: Path) -> None:
    """The app closes while another branch works: who has voted, has voted."""
    slow = "{id: slow, type: python, function: pass_gate, inputs: {name: slow}}"
    text = f"- {{id: p, type: parallel, steps: [{{{ASK}, approvals: 2}}, {slow}]}}"
    async with open_house(tmp_path) as house:
        order = Order(house)
        execution = await house.start(text)
        await answered(house, execution, "p.ask", by="ada")
        await order.gate("slow reached").wait()

    async with open_house(tmp_path) as house:
        again = Order(house)
        await answered(house, execution, "p.ask", by="grace")
        again.gate("slow").set()
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert done.steps["p.ask"].outputs["by"] == ["ada", "grace"]


async def test_a_withdrawn_question_stays_withdrawn(tmp_path: Path) -> None:
    text = f"""
        - id: p
          type: parallel
          wait_for: any
          steps: [{{{ASK}}}, {{id: other, type: approval, message: x}}]
        - {{id: hold, type: approval, message: x}}
        """
    async with open_house(tmp_path) as house:
        execution = await house.start(text)
        loser = await asked(house, execution, "p.other", "p.ask")
        await answered(house, execution, "p.other")
        await asked(house, execution, "hold")

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        await answered(house, execution, "hold")
        done = await house.app.wait(execution.id)
        kept = await house.app.manager.store.question(loser.id)

    assert done.steps["p"].outputs == {"winner": "other"}
    assert kept.status is QuestionStatus.WITHDRAWN


async def test_a_pause_lasts(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        order = Order(house)
        execution = await house.start(f"- {{{ASK}}}\n- {note('then')}")
        await asked(house, execution, "ask")
        await house.app.manager.pause(execution.id)
        await answered(house, execution, "ask")
        await ended(house, execution, "ask")
        await house.app.manager.wait(execution.id, until=(Status.PAUSED,))

    async with open_house(tmp_path) as house:
        again = Order(house)
        paused = await house.app.manager.get(execution.id)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert (paused.status, order.seen) == ("paused", [])
    assert (done.status, again.seen) == ("completed", ["then"])


async def test_who_waits_and_is_driven_by_nobody_is_replaced_too(tmp_path: Path) -> None:
    """Whoever replaces it ends it, though it does not serve."""
    ask = {"id": "ask", "type": "approval", "message": "x"}
    definition = alone(ask, overflow="replace")
    async with open_house(tmp_path) as house:
        first = await Turns(house).start("a", definition)
        await waiting(house, first)
    async with open_house(tmp_path) as house:
        turns = Turns(house)
        second = await turns.start("b", definition)
        turns.let("b")
        await answered(house, second, "ask")
        assert await turns.ended(first, second) == ["cancelled", "completed"]
    assert turns.seen == ["b"]
