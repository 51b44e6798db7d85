"""What begins again by itself: what failed, was cancelled or was undone, and attempts of it."""

from __future__ import annotations

from dataclasses import replace

from assay.graphs.execution import Status, StepResult
from assay.graphs.history import History, Tried

from .test_forking import (
    ABC,
    EACH,
    FAILURE,
    LOOP,
    again,
    forked,
    history,
    kept,
    names,
    result,
    shell,
)

TWICE = f"""
- id: outer
  type: conditional
  condition: 'true'
  retry: {{attempts: 3}}
  then: [{shell("x")}, {shell("y")}]
"""
ATTEMPTS = ("outer.x", "outer.y failed", "outer#2.x", "outer#2.y", "outer")


def test_a_later_attempt_goes_on_after_those_that_failed() -> None:
    plan = forked(TWICE, history(*ATTEMPTS), "outer#2.y")

    assert kept(plan) == ["outer.x", "outer.y", "outer#2.x"]
    assert plan.kept.tried == {"outer": Tried(1, 0.0, FAILURE)}
    assert again(plan) == ["outer", "outer#2.y"]
    assert kept(forked(TWICE, history(*ATTEMPTS), "outer#2")) == ["outer.x", "outer.y"]


def test_beginning_in_an_earlier_attempt_drops_the_later_ones() -> None:
    plan = forked(TWICE, history(*ATTEMPTS), "outer.y")

    assert kept(plan) == ["outer.x"]
    assert plan.kept.tried == {}
    assert again(plan) == ["outer", "outer.y", "outer#2.x", "outer#2.y"]


def test_an_attempt_that_has_only_begun_is_the_one_that_counts() -> None:
    """What failed in the attempt before has been answered by trying again."""
    waiting = {"outer": Tried(1, 17.0, FAILURE)}

    plan = forked(TWICE, history(*ATTEMPTS[:2], tried=waiting), None)

    assert (plan.begins, plan.kept.tried) == ((), waiting)


def test_the_next_attempt_is_not_waited_for_once_more() -> None:
    waiting = {"outer": Tried(1, 17.0, FAILURE)}

    plan = forked(TWICE, history(*ATTEMPTS[:2], "outer#2.x failed", tried=waiting), None)

    assert plan.kept.tried == {"outer": Tried(1, 0.0, FAILURE)}


def test_an_attempt_that_failed_before_anything_inside_ran_begins_anew() -> None:
    last = {"outer": replace(result("outer failed"), attempts=2)}

    plan = forked(TWICE, History({**history(*ATTEMPTS[:2]).results, **last}), None)

    assert (kept(plan), plan.begins) == ([], ("outer",))


def test_attempts_of_a_step_that_runs_again_as_a_whole_are_forgotten() -> None:
    definition = f"""
    - {shell("a", ", needs: []")}
    - id: outer
      type: conditional
      needs: [a]
      retry: {{attempts: 2}}
      condition: 'true'
      then: [{shell("x")}, {shell("y")}]
    """
    past = history("a", "outer.x failed", "outer#2.x", "outer#2.y failed", "outer failed")

    plan = forked(definition, past, "a")

    assert (kept(plan), plan.kept.tried) == ([], {})
    assert plan.begins == ("a",), "what failed inside runs again because of what runs before it"


def test_what_was_undone_runs_again_and_no_compensation_is_kept() -> None:
    past = history(
        *("a", "b compensated", "c failed", "b/rollback.undo"),
        decisions={("a", "undo"): {}, ("b/rollback.undo", "when"): True, ("a", "now"): "noon"},
    )

    plan = forked(ABC, past, "c")

    assert kept(plan) == ["a"]
    assert again(plan) == ["b", "c"]
    assert plan.begins == ("b",)
    assert plan.kept.decisions == {("a", "now"): "noon"}, "what is inherited is never compensated"


def test_what_lost_a_race_is_not_run_again_because_it_was_undone() -> None:
    definition = f"""
    - id: r
      type: parallel
      wait_for: any
      steps:
        - {shell("x")}
        - {{id: y, type: conditional, condition: 'true', then: [{shell("y1")}, {shell("y2")}]}}
    - {shell("z")}
    """
    raced = StepResult("r", "r", "parallel", Status.COMPLETED, outputs={"winner": "x"})
    lost = history("r.x", "r.y.y1 compensated", "r.y.y2 cancelled", "r.y cancelled")
    past = History({**lost.results, "r": raced, "z": result("z failed")})

    plan = forked(definition, past, None)

    assert again(plan) == ["z"]
    assert plan.kept.results["r.y.y1"].status == "completed", "as it was before the rollback"


def test_what_is_never_known_to_be_reached_is_not_announced() -> None:
    first = ("loop[0].edit", "loop[0].check", "loop[1].edit", "loop[1].check")
    past = history(*first, "loop[2].edit failed", "loop failed")

    assert again(forked(LOOP, past, "loop[1].check")) == [
        *("loop", "loop[1].check", "loop[2].edit", "after")
    ]
    failed = history("outer.x failed", "outer#2.x failed", "outer failed")
    assert again(forked(TWICE, failed, "outer")) == ["outer", "outer.x", "outer#2.x"]
    assert again(forked(TWICE, failed, "outer.x")) == ["outer", "outer.x", "outer.y", "outer#2.x"]


def test_what_a_stop_left_unreached_is_reached_when_the_stop_is_taken_back() -> None:
    definition = f"""
    - {{id: c, type: conditional, condition: 'true', then: [{shell("x")}, {shell("y")}]}}
    - {shell("z")}
    """

    plan = forked(definition, history("c.x stop", "c stop"), "c.x")

    assert again(plan) == ["c", "c.x", "c.y", "z"]


def test_a_retry_begins_at_the_deepest_failures_and_keeps_completed_work() -> None:
    past = history(
        *("each[0].get", "each[0].put", "each[1].get", "each[1].put failed"),
        *("each[2].get cancelled", "each failed"),
    )

    plan = forked(EACH, past, None)

    assert kept(plan) == ["each[0].get", "each[0].put", "each[1].get"]
    assert plan.begins == ("each[1].put", "each[2].get")
    assert again(plan) == ["each", "each[1].put", "each[2].get", "each[2].put"]


def test_a_step_that_failed_by_itself_begins_anew_with_all_that_is_inside() -> None:
    """A loop that reached its limit would reach it again at once."""
    past = history("loop[0].edit", "loop[0].check", "loop failed")

    assert kept(forked(LOOP, past, None)) == []


def test_a_step_that_was_cancelled_between_two_others_goes_on() -> None:
    past = history("loop[0].edit", "loop cancelled", decisions={("loop", "while[0]"): True})

    plan = forked(LOOP, past, None)

    assert kept(plan) == ["loop[0].edit"]
    assert again(plan) == ["loop", "loop[0].check", "after"]
    assert names(plan, "loop") == {"while[0]"}


def test_an_execution_that_was_broken_off_goes_on_where_nothing_failed() -> None:
    plan = forked(ABC, history("a", begun={"b": ""}), None)

    assert (kept(plan), again(plan), plan.begins) == (["a"], ["b", "c"], ())


def test_a_failure_that_was_absorbed_stays() -> None:
    definition = f"""
    - {{id: c, type: conditional, condition: 'true', on_error: skip, then: [{shell("x")}]}}
    - {shell("z")}
    """
    past = history("c.x failed", "c soft", "z failed")

    assert kept(forked(definition, past, None)) == ["c.x", "c"]


def test_what_nobody_waited_for_is_tried_again_without_what_follows() -> None:
    definition = f"""
    - {{id: d, type: parallel, wait_for: none, steps: [{shell("x")}, {shell("y")}]}}
    - {shell("z")}
    """

    plan = forked(definition, history("d", "d.y", "z", "d.x failed"), None)

    assert kept(plan) == ["d.y", "z"]
    assert again(plan) == ["d", "d.x"]
    assert again(forked(definition, history("d", "d.y", "z"), None)) == ["d", "d.x"]


def test_what_nobody_waited_for_in_an_iteration_leaves_later_ones_alone() -> None:
    definition = f"""
    - id: loop
      type: loop
      max_iterations: 2
      until: iteration == 1
      steps: [{{id: d, type: parallel, wait_for: none, steps: [{shell("x")}]}}, {shell("y")}]
    """
    past = history(
        *("loop[0].d", "loop[0].y", "loop[1].d", "loop[1].y", "loop", "loop[1].d.x"),
        *("loop[0].d.x failed",),
    )

    assert again(forked(definition, past, None)) == ["loop", "loop[0].d", "loop[0].d.x"]


def test_a_failure_that_was_absorbed_counts_again_where_its_step_is_entered() -> None:
    definition = f"""
    - {{id: p, type: parallel, on_error: skip, steps: [{shell("x")}, {shell("y")}, {shell("z")}]}}
    """
    past = history("p.x compensated", "p.y failed", "p.z", "p soft")

    plan = forked(definition, past, None)

    assert (kept(plan), plan.begins) == (["p.z"], ("p.x", "p.y"))


def test_items_are_listed_in_order_whichever_ended_first() -> None:
    past = history("each[1].get failed", "each[0].get failed", "each failed")

    assert forked(EACH, past, None).begins == ("each[0].get", "each[1].get")


def test_failures_elsewhere_are_no_ground_to_stand_on() -> None:
    definition = f"- {{id: p, type: parallel, steps: [{shell('x')}, {shell('y')}]}}"

    plan = forked(definition, history("p.x", "p.y failed", "p failed"), "p.x")

    assert plan.begins == ("p.x", "p.y")
