"""Events become a tree: every step at its place, with what became of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.api.cli.node import Tail, split
from assay.api.cli.rows import counts, rows, window
from assay.api.cli.tree import Tree
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Status
from assay.graphs.question import Question, Wait

AT = "2026-01-02T03:04:05.000000Z"


def event(type: EventType, path: str, **data: Any) -> Event:
    return Event("id", type, AT, path, data)


def started(path: str, kind: str = "shell") -> Event:
    return event(EventType.STEP_STARTED, path, step=path, kind=kind)


def ended(path: str, status: str = "completed", kind: str = "shell", **data: Any) -> Event:
    said = {"kind": kind, "status": status, "attempts": 1, "started_at": AT, "completed_at": AT}
    return event(EventType(f"Step{status.capitalize()}"), path, **said | data)


def tree_of(*events: Event) -> Tree:
    tree = Tree("test@1")
    for one in events:
        tree.fold(one)
    return tree


def asked(path: str, kind: str = "approval", **data: Any) -> Event:
    return event(EventType.QUESTION_ASKED, path, question="q1", kind=kind, message="Go on?", **data)


@pytest.mark.parametrize(
    ("path", "parent", "name"),
    [
        ("build", "", "build"),
        ("checks.lint", "checks", "lint"),
        ("fix[2].edit", "fix[2]", "edit"),
        ("fix[2]", "fix", "[2]"),
        ("fix#2.edit", "fix#2", "edit"),
        ("fix#2", "fix", "attempt 2"),
        ("fix~3", "", "fix (time 3)"),
        ("a.fix~3#2[4].b", "a.fix~3#2[4]", "b"),
        ("build/rollback.undo", "build/rollback", "undo"),
        ("build/rollback", "build", "rollback"),
    ],
)
def test_a_path_says_what_holds_it(path: str, parent: str, name: str) -> None:
    assert split(path) == (parent, name)


@given(st.text(max_size=40))
def test_every_text_has_a_shorter_parent(path: str) -> None:
    """Whatever a path looks like, walking up ends."""
    parent, _ = split(path)
    assert len(parent) < len(path) or parent == path == ""


def test_a_step_runs_and_completes() -> None:
    tree = tree_of(started("build"))
    (row,) = rows(tree)
    assert (row.label, row.kind, row.status, row.current) == (
        "build",
        "shell",
        Status.RUNNING,
        True,
    )
    tree.fold(ended("build"))
    (row,) = rows(tree)
    assert (row.status, row.current) == (Status.COMPLETED, False)


def test_iterations_stand_in_order_of_their_index_whatever_began_first() -> None:
    tree = tree_of(started("each", "foreach"), started("each[10].x"), started("each[9].x"))
    assert [r.label for r in rows(tree)] == ["each", "[9]", "x", "[10]", "x"]


def test_an_iteration_is_what_its_steps_came_to() -> None:
    tree = tree_of(started("each", "foreach"), ended("each[0].x"), ended("each[1].x", "failed"))
    assert [(r.label, r.status) for r in rows(tree)] == [
        ("each", Status.RUNNING),
        ("[0]", Status.COMPLETED),  # what is inside is no longer of interest
        ("[1]", Status.FAILED),
        ("x", Status.FAILED),
    ]


def test_many_children_are_counted_and_only_those_in_trouble_or_at_work_listed() -> None:
    events = [started("each", "foreach")]
    for index in range(100):
        path = f"each[{index}].x"
        events.append(started(path))
        if index < 90:
            events.append(ended(path, "failed" if index in (7, 8) else "completed"))
    each, *listed = rows(tree_of(*events))
    assert each.note == "88 completed, 10 running, 2 failed"
    assert [r.label for r in listed if r.label != "x"] == ["[7]", "[8]", "[97]", "[98]", "[99]"]


def test_a_retry_says_which_attempt_comes_and_that_it_has_passed() -> None:
    retry = event(
        EventType.STEP_RETRYING, "x", attempt=2, of=3, delay=1e12, error={"message": "no luck"}
    )
    (row,) = rows(tree_of(started("x"), retry))
    assert row.note.startswith("attempt 2 of 3 in ")
    assert row.note.endswith("no luck")
    (row,) = rows(tree_of(started("x"), retry, ended("x", attempts=2)))
    assert row.note == "2 attempts"


def test_an_error_stands_where_it_began_and_not_at_the_steps_around() -> None:
    error = {"code": "x", "message": "it broke\nhere", "path": "both.left"}
    outer, inner = rows(
        tree_of(
            ended("both.left", "failed", error=error),
            ended("both", "failed", "parallel", error=error),
        )
    )
    assert (outer.note, inner.note) == ("", "it broke")


def test_what_models_cost_adds_up_once() -> None:
    cost = {"input_tokens": 10, "output_tokens": 2, "calls": 1, "usd": 0.5}
    tree = tree_of(
        ended("a", kind="agent", cost=cost),
        ended("b", kind="agent", cost=cost),
        ended("a", "compensated", kind="agent", cost=cost),
    )
    assert (tree.cost.calls, tree.cost.usd) == (2, 1.0)


def test_what_was_undone_keeps_its_time_and_its_item_says_so() -> None:
    later = "2026-01-02T03:05:05.000000Z"
    undo = "each[0].x/rollback.undo"
    tree = tree_of(
        started("each", "foreach"),
        started("each[0].x"),
        ended("each[0].x"),
        ended("each", kind="foreach"),
        started(undo),
        ended(undo, completed_at=later),
        Event("id", EventType.STEP_COMPENSATED, later, "each[0].x", {"step": "x"}),
    )
    each, item, x, rollback = rows(tree)
    assert (each.status, each.time) == (Status.COMPLETED, "0s")
    assert (item.label, item.status, item.time) == ("[0]", Status.COMPENSATED, "0s")
    assert (x.status, x.time, rollback.time) == (Status.COMPENSATED, "0s", "1m")


@given(st.text(alphabet="ab\n\r", max_size=60), st.data())
def test_a_tail_does_not_depend_on_how_its_text_is_cut(text: str, data: st.DataObject) -> None:
    whole, pieces = Tail(), Tail()
    whole.feed(text)
    at = data.draw(st.integers(0, len(text)))
    pieces.feed(text[:at])
    pieces.feed(text[at:])
    assert pieces.lines == whole.lines
    assert len(whole.lines) <= 3


def test_a_progress_bar_shows_as_it_stands() -> None:
    tail = Tail()
    tail.feed("start\n 10 %\r 50 %\r\x1b[32m100 %\x1b[0m")
    assert tail.lines == ["start", "100 %"]


@given(st.integers(0, 60), st.integers(3, 30))
def test_a_window_never_is_higher_than_it_may_be_and_keeps_the_current_row(
    running: int, height: int
) -> None:
    tree = tree_of(*(ended(f"s{i}") for i in range(60)), started(f"s{running}"))
    found = window(rows(tree), height)
    assert len(found) <= max(height, 3)
    assert any(row.current for row in found)


def test_what_a_window_leaves_out_is_counted() -> None:
    tree = tree_of(*(ended(f"s{i}") for i in range(20)), started("now"))
    above, *_ = window(rows(tree), 10)
    assert above.left_out
    assert above.label == "13 above"
    assert above.note == "13 completed"


def test_counts_name_only_what_there_is() -> None:
    tree = tree_of(started("a"), ended("b"), ended("c", "skipped"))
    assert counts(list(tree.roots.values())) == "1 completed, 1 running, 1 skipped"


def test_a_step_that_asks_waits_until_it_is_answered() -> None:
    tree = tree_of(started("ask", "approval"), asked("ask"))
    (row,) = rows(tree)
    assert (row.status, row.note, row.asks) == (Status.WAITING, "asks: Go on?", True)
    tree.fold(event(EventType.QUESTION_ANSWERED, "ask", question="q1", by="ann", approved=True))
    (row,) = rows(tree)
    assert (row.status, row.note, row.asks) == (Status.RUNNING, "approved by ann", False)


def test_a_step_that_asks_for_the_third_time_is_the_same_step() -> None:
    tree = tree_of(started("pay"), asked("pay?2", "once"))
    (row,) = rows(tree)
    assert (row.label, row.status, row.asks) == ("pay", Status.WAITING, True)


def test_the_time_that_is_left_stands_before_what_is_asked() -> None:
    (row,) = rows(tree_of(started("ask", "approval"), asked("ask", due=time.time() + 7225)))
    assert row.note == "2h left; asks: Go on?"


def test_what_waits_for_time_alone_is_taken_from_the_store() -> None:
    due = time.time() + 3625
    nap = Question("q1", "id", "both.nap", Wait.SLEEP, due=due)
    tree = tree_of(started("both", "parallel"), started("both.nap", "sleep"), started("both.work"))
    tree.wait_for([nap])
    both, napping, work = rows(tree)
    assert (both.status, work.status) == (Status.RUNNING, Status.RUNNING)
    assert (napping.status, napping.asks) == (Status.WAITING, False)
    assert napping.note.endswith(", 1h left")
    tree.wait_for([])
    assert [row.status for row in rows(tree)] == [Status.RUNNING] * 3


def test_a_window_is_around_the_step_that_asks() -> None:
    tree = tree_of(*(started(f"s{n}") for n in range(30)))
    tree.look_at(Question("q1", "id", "s7?2", Wait.ONCE))
    found = window(rows(tree), 5)
    assert [row.label for row in found if row.current] == ["s7"]


def test_what_holds_only_what_waits_waits_as_well() -> None:
    tree = tree_of(
        started("both", "parallel"),
        started("both.left", "approval"),
        asked("both.left"),
        started("both.right"),
    )
    assert rows(tree)[0].status is Status.RUNNING
    tree.fold(ended("both.right"))
    assert [row.status for row in rows(tree)] == [
        Status.WAITING,
        Status.WAITING,
        Status.COMPLETED,
    ]


def test_nothing_runs_while_all_of_it_waits() -> None:
    """What has been answered goes on when the execution does."""
    tree = tree_of(started("ask", "approval"), event(EventType.EXECUTION_PAUSED, ""))
    assert [row.status for row in rows(tree)] == [Status.WAITING]
    tree.fold(event(EventType.EXECUTION_RESUMED, ""))
    assert [row.status for row in rows(tree)] == [Status.RUNNING]


def test_what_ran_when_nobody_drove_any_more_was_interrupted() -> None:
    tree = tree_of(started("build"), event(EventType.EXECUTION_QUEUED, "", why="the worker ends"))
    (row,) = rows(tree)
    assert (row.status, row.time, row.note) == (None, "", "interrupted")
    tree.fold(event(EventType.EXECUTION_RESUMED, ""))
    tree.fold(started("build"))
    assert rows(tree)[0].status is Status.RUNNING


def test_a_restart_says_which_and_when() -> None:
    restarting = event(
        EventType.EXECUTION_RESTARTING, "", restart=1, of=3, delay=2.0, error={"message": "no"}
    )
    tree = tree_of(started("build"), restarting)
    assert (tree.status, tree.restart) == (Status.WAITING, "restart 1 of 3 in 2s")
    tree.fold(event(EventType.EXECUTION_RESUMED, ""))
    assert (tree.status, tree.restart) == (Status.RUNNING, "")
