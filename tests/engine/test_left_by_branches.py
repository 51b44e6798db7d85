"""What a branch left running that another cut off is taken up again, as all that was left is.

`lose` leaves `late` running and goes on; when `late` has begun another branch wins, or stops.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.graphs.event import EventType

from ..running import open_house, statuses
from .lasting import happened
from .lives import BAD, Lives, beside, conditional, lived, made, step

pytestmark = pytest.mark.anyio

THEN = step("then", "hold")
STOP = "{id: enough, type: assert, condition: 'false', on_false: stop}"


def lose(*more: str) -> str:
    return conditional("lose", beside(made("late")), *(more or (step("slow", "stuck"),)))


def after(*gates: str, id: str = "win") -> str:
    return step(id, "after", f", inputs: {{gates: {list(gates)}}}")


def after_both(lose: str) -> str:
    """When `late` and what comes after it have begun."""
    return after(f"{lose}.d.late reached", f"{lose}.slow reached")


def first(*branches: str, id: str = "a") -> str:
    return f"{{id: {id}, type: parallel, wait_for: any, steps: [{', '.join(branches)}]}}"


LOSE = "a.lose"
LATE = "a.lose.d.late"
ANY = {
    "a loser": (first(lose(), after_both(LOSE)), LATE),
    "the last of the branches": (first(after_both(LOSE), lose()), LATE),
    "a loser that had failed": (
        first(lose(after(f"{LATE} reached", id="x"), step("f", "fail")), after("failed")),
        LATE,
    ),
    "a loser in a loser": (
        first(
            conditional("l", first(lose(), step("never", "stuck"), id="b")),
            after_both("a.l.b.lose"),
        ),
        "a.l.b.lose.d.late",
    ),
    "a loser in a winner": (
        first(first(lose(), after_both("a.b.lose"), id="b"), step("never", "stuck")),
        "a.b.lose.d.late",
    ),
}


@pytest.mark.parametrize("lives", [2, 3])
@pytest.mark.parametrize("loser", ANY)
async def test_of_an_any(tmp_path: Path, loser: str, lives: int) -> None:
    """Losers are cancelled; what they had left running was no part of them any more."""
    text, late = ANY[loser]

    done, work = await lived(tmp_path, f"- {text}\n- {THEN}\n- {BAD}", late, "then", lives=lives)

    assert work.begun == {late: 1, "then": 1}
    assert work.undone == [late]
    assert statuses(done)[late] == "compensated"


async def test_of_a_loser_whose_end_nobody_recorded(tmp_path: Path) -> None:
    """The execution leaves memory when the winner is known and the loser not yet out."""
    text = first(lose(step("slow", "cling")), after_both(LOSE))

    done, work = await lived(tmp_path, f"- {text}\n- {THEN}", LATE, "a.lose.slow cut off")

    assert work.begun == {LATE: 1, "then": 1}
    assert statuses(done) == {
        "a": "completed",
        "a.lose": "cancelled",
        "a.lose.d": "completed",
        "a.lose.d.late": "completed",
        "a.lose.slow": "cancelled",
        "a.win": "completed",
        "then": "completed",
    }


def enough(lose: str) -> str:
    return conditional("s", after_both(lose), STOP)


def needs(step: str, *ids: str) -> str:
    return f"{step[:-1]}, needs: {list(ids)}}}"


LISTS = {
    "a parallel": (
        f"{{id: p, type: parallel, steps: [{enough('c.p.x.y.lose')}, "
        f"{conditional('x', step('a'), conditional('y', step('b'), lose()))}]}}",
        "c.p.x.y.lose",
    ),
    "a foreach": (
        "{id: p, type: foreach, items: '[1, 2]', steps: [{id: i, type: conditional, "
        f"condition: item == 1, then: [{enough('c.p[1].i.lose')}], else: [{lose()}]}}]}}",
        "c.p[1].i.lose",
    ),
    "a graph": (f"{needs(enough('c.lose'))}\n- {lose()}", "c.lose"),
    "a graph, further on": (
        f"{needs(enough('c.lose'))}\n- {step('early')}\n- {needs(lose(), 'early')}",
        "c.lose",
    ),
}


@pytest.mark.parametrize("clings", [False, True], ids=["that has ended", "that ends"])
@pytest.mark.parametrize("place", LISTS)
async def test_of_a_list_that_was_stopped(tmp_path: Path, place: str, clings: bool) -> None:
    """A `stop` ends the workflow and no more: what was left is joined at the end."""
    child, lost = LISTS[place]
    late, slow = f"{lost}.d.late", f"{lost}.slow"
    text = f"- {{id: c, type: workflow, workflow: child}}\n- {THEN}\n- {BAD}"
    last = f"{slow} cut off" if clings else "then"
    child = child.replace("stuck", "cling") if clings else child

    done, work = await lived(tmp_path, text, late, last, child=child)

    assert (work.begun[late], work.begun["then"]) == (1, 1)
    assert work.undone == [late]
    found = statuses(done)
    assert (found[late], found[slow], found[lost]) == ("compensated", "cancelled", "cancelled")


async def test_what_ran_when_a_graph_was_skipped_runs_on(tmp_path: Path) -> None:
    """A `skip` cancels nothing; what had not begun by then does not begin later either."""
    skip = STOP.replace("stop", "skip")
    text = f"""
        - {needs(after("slow reached"))}
        - {needs(skip, "win")}
        - {needs(step("a"))}
        - {needs(conditional("b", step("i"), conditional("c", step("j"))), "a")}
        - {needs(step("slow", "hold"), "b")}
        - {needs(step("never"), "slow")}
        """

    async with open_house(tmp_path) as house:
        Lives(house, open=False)
        execution = await house.start(text)
        await happened(house, execution, EventType.STEP_COMPLETED, "enough")

    async with open_house(tmp_path) as house:
        work = Lives(house)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert work.begun == {"slow": 1}
    assert (statuses(done)["slow"], statuses(done)["never"]) == ("completed", "skipped")
