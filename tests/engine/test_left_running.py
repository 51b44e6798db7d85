"""What the attempts of a step left running is taken up again with it, once, and undone with it.

In the first life of an execution everything that can be held is; in the next nothing is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import StoreUnavailable
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.store.checkpointing.saver import Saver

from ..deadlines import Deadlines
from ..running import House, open_house, statuses
from .asking import answered, asked
from .lasting import events, happened
from .lives import AGAIN, BAD, PATIENCE, SKIP, Lives, beside, conditional, lived, made, step

pytestmark = pytest.mark.anyio

LIST = f"steps: [{beside(made('late'))}, {step('try', 'flaky')}]"

PLACES = {
    "a conditional": (conditional("c", beside(made("late")), step("try", "flaky"), more=AGAIN), ""),
    "a switch": (
        f"{{id: c, type: switch, value: '1', cases: {{'1': [{beside(made('late'))}, "
        f"{step('try', 'flaky')}]}}{AGAIN}}}",
        "",
    ),
    "a loop": (f"{{id: c, type: loop, until: 'true', max_iterations: 1, {LIST}{AGAIN}}}", "[0]"),
    "a foreach": (f"{{id: c, type: foreach, items: '[1]', {LIST}{AGAIN}}}", "[0]"),
    "a parallel": (f"{{id: c, type: parallel, {LIST}{AGAIN}}}", ""),
    "a workflow": (f"{{id: c, type: workflow, workflow: child{AGAIN}}}", ""),
}


@pytest.mark.parametrize("lives", [2, 3])
@pytest.mark.parametrize("place", PLACES)
async def test_of_an_attempt_that_failed(tmp_path: Path, place: str, lives: int) -> None:
    """It is done once in the life that lets it, as if nothing had happened, and undone."""
    text, label = PLACES[place]
    first, second = f"c{label}.d.late", f"c#2{label}.d.late"
    reached = (first, second, f"c#2{label}.try")

    done, work = await lived(tmp_path, f"- {text}\n- {BAD}", *reached, lives=lives)

    assert work.begun == dict.fromkeys(reached, 1)
    assert sorted(work.undone) == sorted([first, second])
    assert statuses(done)[first] == statuses(done)[second] == "compensated"
    assert done.steps["c"].attempts == 2


@pytest.mark.parametrize("lives", [2, 3])
async def test_of_every_attempt_of_a_step_that_has_ended(tmp_path: Path, lives: int) -> None:
    twice = conditional("c", beside(made("late")), step("try", "fail"), more=AGAIN + SKIP)
    text = f"""
        - {twice}
        - {step("then", "hold")}
        - {BAD}
        """
    late = ["c.d.late", "c#2.d.late"]

    done, work = await lived(tmp_path, text, *late, "then", lives=lives)

    assert work.begun == dict.fromkeys([*late, "then"], 1)
    assert sorted(work.undone) == sorted(late)
    assert statuses(done)["c"] == "skipped"


async def test_of_attempts_within_attempts(tmp_path: Path) -> None:
    inner = conditional("i", beside(made("late")), step("try", "fail"), more=AGAIN)
    text = f"- {conditional('c', inner, more=AGAIN + SKIP)}\n- {step('then', 'hold')}"
    late = [f"{c}.{i}.d.late" for c in ("c", "c#2") for i in ("i", "i#2")]

    done, work = await lived(tmp_path, text, *late, "then")

    assert work.begun == dict.fromkeys([*late, "then"], 1)
    assert {statuses(done)[path] for path in late} == {"completed"}


async def test_work_beside_work_is_taken_up_once(tmp_path: Path) -> None:
    deep = conditional("b", beside(made("deep"), id="e"))
    text = f"- {conditional('c', beside(deep), step('try', 'flaky'), more=AGAIN)}"

    _, work = await lived(tmp_path, text, "c.d.b.e.deep", "c#2.d.b.e.deep", "c#2.try")

    assert work.begun == dict.fromkeys(("c.d.b.e.deep", "c#2.d.b.e.deep", "c#2.try"), 1)


async def test_of_an_attempt_that_took_too_long(tmp_path: Path, deadlines: Deadlines) -> None:
    """What was cut off in it stays so, and what it never came to does not begin."""
    held = conditional("h", beside(made("late")), step("slow", "hold"), step("never"))
    text = f"""
        - {conditional("c", held, step("nor"), more=", timeout: 1h, on_error: skip")}
        - {step("then", "hold")}
        """

    late = "c.h.d.late"
    done, work = await lived(tmp_path, text, "c.h.slow", late, "then", over=(late, deadlines))

    assert work.begun == {"c.h.d.late": 1, "then": 1}
    assert statuses(done) == {
        "c.h.d": "completed",
        "c.h.slow": "cancelled",
        "c.h": "cancelled",
        "c": "skipped",
        "then": "completed",
        "c.h.d.late": "completed",
    }


async def test_of_every_attempt_of_what_was_cut_off(tmp_path: Path, deadlines: Deadlines) -> None:
    inner = conditional("i", beside(made("late")), step("try", "flaky"), more=AGAIN)
    text = f"""
        - {conditional("c", inner, more=", timeout: 1h, on_error: skip")}
        - {step("then", "hold")}
        """
    late = ["c.i.d.late", "c.i#2.d.late"]

    last = "c.i#2.try"
    done, work = await lived(tmp_path, text, *late, last, "then", over=(last, deadlines))

    assert work.begun == dict.fromkeys([*late, "then"], 1)
    assert (statuses(done)["c.i"], statuses(done)["c.i#2.d.late"]) == ("cancelled", "completed")


async def test_an_attempt_that_was_cut_off_decides_nothing_for_the_next(
    tmp_path: Path, deadlines: Deadlines
) -> None:
    """Its last step would have ended the loop; in the next attempt there is another turn."""
    text = f"""
        name: w
        context: {{mutable: {{n: 0}}}}
        steps:
          - id: l
            type: loop
            while: context.n < 2
            max_iterations: 9
            timeout: 1h
            retry: {{attempts: 2, delay: 1ms}}
            steps:
              - {beside(made("late"))}
              - {step("turn", "turn", ", inputs: {n: '{{ iteration + 1 }}'}")}
              - {{id: set, type: set, values: {{n: "{{{{ turn.output }}}}"}}}}
              - {step("slow", "stuck")}
        """

    first, second = ("l[0].d.late", "l[0].slow"), ("l#2[0].d.late", "l#2[0].slow")
    done, work = await lived(tmp_path, text, *first, *second, over=(first[-1], deadlines))

    late = [path for path in work.begun if path.endswith("late")]
    assert sorted(late) == ["l#2[0].d.late", "l#2[1].d.late", "l[0].d.late"]
    assert (done.status, done.steps["l"].outputs) == ("completed", {"iterations": 2})


async def test_work_of_a_failed_attempt_that_waits_is_heard(tmp_path: Path) -> None:
    ask = "{id: ask, type: approval, message: x}"
    async with open_house(tmp_path) as house:
        Lives(house)
        inner = f"{beside(ask)}, {step('try', 'flaky')}, {{id: go, type: approval, message: x}}"
        execution = await house.start(f"- {conditional('c', inner, more=AGAIN)}")
        before = await asked(house, execution, "c.d.ask", "c#2.d.ask", "c#2.go")
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        Lives(house)
        await house.app.resume(execution.id)
        await answered(house, execution, "c.d.ask", by="ada")
        await happened(house, execution, EventType.STEP_COMPLETED, "c.d.ask")
        await answered(house, execution, "c#2.d.ask")
        after = await answered(house, execution, "c#2.go")
        done = await house.app.wait(execution.id)
        found = await events(house, execution)

    assert (done.status, done.steps["c.d.ask"].outputs["by"]) == ("completed", "ada")
    assert before.id == after.id
    assert len([e for e in found if e.type is EventType.QUESTION_ASKED]) == 3


async def test_while_the_next_attempt_is_far_away(tmp_path: Path) -> None:
    """What an attempt left running does not wait for the one after it."""
    later = ", retry: {attempts: 2, delay: 1h}"
    text = f"- {conditional('c', beside(made('late')), step('try', 'flaky'), more=later)}"
    async with open_house(tmp_path) as house:
        work = Lives(house, open=False)
        execution = await house.start(text)
        await work.gate("c.d.late reached").wait()
        await happened(house, execution, EventType.STEP_RETRYING, "c")

    async with open_house(tmp_path) as house:
        Lives(house)
        await house.app.resume(execution.id)
        await happened(house, execution, EventType.STEP_COMPLETED, "c.d.late")


async def test_a_checkpoint_that_waits_for_its_store_begins_nothing_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is gone through once more for it, in the life in which it was left."""
    tried = 0
    kept = asyncio.Event()
    put = Saver.aput

    async def late(self: Saver, *checkpoint: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise StoreUnavailable("the disk is full")
        config = await put(self, *checkpoint)
        kept.set()
        return config

    monkeypatch.setattr(Saver, "aput", late)
    work = Lives(house, open=False)
    attempts = conditional("c", beside(made("late")), step("try", "fail"), more=AGAIN + SKIP)
    execution = await house.start(f"- {attempts}\n- {beside(step('last', 'hold'), id='e')}")
    paths = ["c.d.late", "c#2.d.late", "e.last"]
    async with asyncio.timeout(PATIENCE):
        await kept.wait()
        for path in paths:
            await work.gate(f"{path} reached").wait()
    for path in paths:
        work.gate(path).set()
    done = await house.app.wait(execution.id)

    assert (done.status, tried) == ("completed", 2)
    assert work.begun == dict.fromkeys(paths, 1)


async def test_a_fork_does_not_begin_what_an_earlier_attempt_left(house: House) -> None:
    """What a fork repeats is what its plan says."""
    work = Lives(house, open=False)
    text = f"""
        - {conditional("c", beside(made("late")), step("try", "flaky"), more=AGAIN)}
        """
    execution = await house.start(text)
    await work.gate("c.d.late reached").wait()
    await work.gate("c#2.try reached").wait()
    await house.app.manager.stop(execution.id)
    work.open = True
    before = Counter(work.begun)

    fork = await house.app.manager.fork(execution.id, "c#2")
    done = await house.app.wait(fork.id)

    assert (done.status, work.begun - before) == ("completed", {"c#2.d.late": 1, "c#2.try": 1})
