"""What a fork keeps of a journal and what it runs again, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from assay.graphs.execution import Exit, Failure, Status, StepResult
from assay.graphs.forking import Fork, fork
from assay.graphs.history import Begun, History, Tried
from assay.graphs.program import Program

from ..running import load

Name = tuple[str, str | None]

FAILURE = Failure("exit_status", "it ended with 1", "x")


@dataclass(frozen=True)
class Child:
    program: Program
    children: Mapping[Name, Child] = field(default_factory=dict)


def result(entry: str) -> StepResult:
    """`path`, or `path status`; `out` is a step that others left out, `stop` and `skip` end
    more than themselves, `soft` failed and was skipped for it."""
    path, _, how = entry.partition(" ")
    exit = Exit(how) if how in ("stop", "skip") else None
    status = Status.COMPLETED
    if how in ("out", "soft"):
        status = Status.SKIPPED
    elif how and exit is None:
        status = Status(how)
    step = path.rpartition(".")[2].partition("[")[0].partition("~")[0]
    return StepResult(
        path,
        step,
        "any",
        status,
        error=FAILURE if how in ("failed", "soft") else None,
        attempts=0 if how in ("out", "skipped") else 1,
        exit=exit,
        reason="branch not taken (then)" if how == "out" else None,
    )


def history(*entries: str, **more: Any) -> History:
    results = [result(entry) for entry in entries]
    return History({r.path: r for r in results}, **more)


def forked(definition: str, past: History, path: str | None, **children: str) -> Fork:
    programs: Mapping[Name, Child] = {
        (name, None): Child(load(text)) for name, text in children.items()
    }
    return fork(load(definition), programs, past, path)


def kept(plan: Fork) -> list[str]:
    return list(plan.kept.results)


def again(plan: Fork) -> list[str]:
    return [step.path for step in plan.again]


def names(plan: Fork, path: str) -> set[str]:
    return {name for at, name in plan.kept.decisions if at == path}


def shell(id: str, more: str = "") -> str:
    return f"{{id: {id}, type: shell, command: 'true'{more}}}"


ABC = f"""
- {shell("a")}
- {shell("b")}
- {shell("c")}
"""


def test_in_a_list_the_step_and_all_that_follows_run_again() -> None:
    plan = forked(ABC, history("a", "b"), "b")

    assert kept(plan) == ["a"]
    assert again(plan) == ["b", "c"]
    assert plan.begins == ("b",)
    assert plan.kept_count == 1


def test_what_is_kept_is_numbered_from_one() -> None:
    past = History({p: result(p).with_seq(n) for p, n in (("a", 4), ("b", 9), ("c", 12))})

    plan = forked(ABC, past, "c")

    assert [r.seq for r in plan.kept.results.values()] == [1, 2]
    assert plan.kept.seq == 2


def test_in_a_list_with_needs_only_what_depends_on_the_step_runs_again() -> None:
    definition = f"""
    - {shell("a", ", needs: []")}
    - {shell("beside")}
    - {shell("b", ", needs: [a]")}
    - {shell("c", ", needs: [b]")}
    """

    plan = forked(definition, history("a", "beside", "b", "c"), "a")

    assert kept(plan) == ["beside"]
    assert again(plan) == ["a", "b", "c"]


def test_an_async_step_takes_along_only_those_who_read_it() -> None:
    definition = f"""
    - {shell("slow", ", async: true")}
    - {shell("a")}
    - {{id: reader, type: shell, command: 'echo {{{{ slow.output }}}}'}}
    - {shell("last")}
    """

    plan = forked(definition, history("slow", "a", "reader", "last"), "slow")

    assert kept(plan) == ["a"]


def test_branches_beside_the_step_are_kept_and_what_follows_the_join_is_not() -> None:
    definition = f"""
    - id: p
      type: parallel
      steps:
        - {shell("left")}
        - {{id: right, type: conditional, condition: 'true', then: [{shell("x")}, {shell("y")}]}}
    - {shell("after")}
    """
    past = history("left", "p.left", "p.right.x", "p.right.y", "p.right", "p", "after")

    plan = forked(definition, past, "p.right.y")

    assert kept(plan) == ["left", "p.left", "p.right.x"]
    assert again(plan) == ["p", "p.right", "p.right.y", "after"]


EACH = f"""
- id: each
  type: foreach
  items: '[1, 2, 3]'
  steps: [{shell("get")}, {shell("put")}]
"""


def test_other_items_are_kept() -> None:
    past = history(
        *("each[0].get", "each[0].put", "each[1].get", "each[1].put", "each[2].get"),
        *("each[2].put", "each"),
        decisions={("each", "items"): [1, 2, 3]},
    )

    assert again(forked(EACH, past, "each[1].put")) == ["each", "each[1].put"]
    assert again(forked(EACH, past, "each[1]")) == ["each", "each[1].get", "each[1].put"]
    assert names(forked(EACH, past, "each[1].put"), "each") == {"items"}
    assert names(forked(EACH, past, "each"), "each") == set()


def test_an_items_own_record_goes_when_a_part_of_the_item_runs_again() -> None:
    past = history(
        *("each[0].get", "each[0].put", "each[0]", "each[1].get", "each[1].put", "each[1]"),
    )

    assert kept(forked(EACH, past, "each[1].put")) == [
        *("each[0].get", "each[0].put", "each[0]", "each[1].get")
    ]


LOOP = f"""
- id: loop
  type: loop
  max_iterations: 9
  while: iteration < 3
  steps: [{shell("edit")}, {shell("check")}]
- {shell("after")}
"""


def test_a_loop_keeps_earlier_iterations_and_what_let_the_chosen_one_begin() -> None:
    tests = {("loop", f"{name}[{i}]"): True for i in range(3) for name in ("while", "until")}
    steps = [f"loop[{i}].{step}" for i in range(3) for step in ("edit", "check")]
    past = history(*steps, "loop", "after", decisions=tests)

    plan = forked(LOOP, past, "loop[1].check")

    assert kept(plan) == ["loop[0].edit", "loop[0].check", "loop[1].edit"]
    assert names(plan, "loop") == {"while[0]", "while[1]", "until[0]"}
    assert again(plan) == ["loop", "loop[1].check", "loop[2].edit", "loop[2].check", "after"]
    assert kept(forked(LOOP, past, "loop[1]")) == kept(plan)[:2]


def test_decisions_that_led_to_the_step_are_kept_and_its_own_are_not() -> None:
    definition = f"""
    - id: c
      type: conditional
      when: 'true'
      condition: 'true'
      then: [{shell("x", ", when: 'true'")}]
      else: [{shell("z")}]
    """
    pinned = [("c", "when"), ("c", "condition"), ("c.x", "when"), ("c.x", "now"), ("", "now")]
    decisions = {**dict.fromkeys(pinned, True), ("", "outcome"): "failed"}

    plan = forked(definition, history("c.z out", "c.x", "c", decisions=decisions), "c.x")

    assert plan.kept.decisions.keys() == {("c", "when"), ("c", "condition"), ("", "now")}
    assert kept(plan) == ["c.z"], "the branch that was not taken stays so"


def test_a_race_around_the_step_is_open_again() -> None:
    definition = f"""
    - {{id: r, type: parallel, wait_for: any, steps: [{shell("x")}, {shell("y")}, {shell("z")}]}}
    """
    past = history(*("r.x", "r.y cancelled", "r.z soft", "r"), decisions={("r", "winner"): "x"})

    plan = forked(definition, past, "r.x")

    assert names(plan, "r") == set()
    assert kept(plan) == ["r.z"]
    assert again(plan) == ["r", "r.x", "r.y"]


CALL = f"""
- {shell("a")}
- {{id: call, type: workflow, workflow: child}}
- {shell("z")}
"""


def test_a_fork_begins_inside_a_called_workflow() -> None:
    past = history("a", "call.a", "call.b", "call.c", "call", "z")

    plan = forked(CALL, past, "call.b", child=ABC)

    assert kept(plan) == ["a", "call.a"]
    assert again(plan) == ["call", "call.b", "call.c", "z"]


REPAIR = """
- {id: plan, type: agent, prompt: Plan.}
- {id: fix, type: agent, prompt: Mend.}
- {id: check, type: assert, condition: 'true', on_false: repair, repair: {step: fix}}
- {id: last, type: agent, prompt: Tell.}
"""
ROUNDS = ("plan", "fix", "check failed", "fix~2", "check~2 failed", "fix~3", "check~3", "last")


@pytest.mark.parametrize(
    ("path", "stays"), [("fix~2", 3), ("check~2", 4), ("fix", 1), ("last", 7), ("plan", 0)]
)
def test_rounds_of_a_repair_before_the_chosen_one_are_kept(path: str, stays: int) -> None:
    plan = forked(REPAIR, history(*ROUNDS), path)

    assert kept(plan) == [entry.partition(" ")[0] for entry in ROUNDS[:stays]]
    assert len(plan.again) == len(ROUNDS) - stays


def test_an_assertion_that_was_repaired_is_no_failure() -> None:
    plan = forked(REPAIR, history(*ROUNDS[:-1], "last failed"), None)

    assert plan.begins == ("last",)


def test_what_a_model_said_goes_with_its_step() -> None:
    definition = "- {id: fix, type: agent, prompt: Mend.}\n- {id: tell, type: agent, prompt: Tell.}"
    past = history("fix/model[0]", "fix/tool[a.b]", "fix", "tell/model[0]", "tell")

    assert kept(forked(definition, past, "tell")) == ["fix/model[0]", "fix/tool[a.b]", "fix"]
    assert kept(forked(definition, past, "fix")) == []


def test_attempts_and_intents_are_forgotten_only_where_it_begins_again() -> None:
    definition = f"- {{id: p, type: parallel, steps: [{shell('x')}, {shell('y')}]}}"
    tried = {path: Tried(2, 17.0, FAILURE) for path in ("p.x", "p.y")}
    begun = dict.fromkeys(("p", "p.x", "p.y"), Begun("", "shell", "x"))
    past = History(tried=tried, intents=frozenset(begun), begun=begun)

    plan = forked(definition, past, "p.x")

    assert plan.kept == History(tried={"p.y": tried["p.y"]}, intents=frozenset({"p.y"}))
    assert again(plan) == ["p", "p.x", "p.y"]


def test_a_skip_that_is_taken_back_takes_back_what_it_skipped() -> None:
    definition = f"""
    - {{id: ok, type: assert, condition: 'false', on_false: skip, needs: []}}
    - {shell("a")}
    - {shell("b")}
    """

    plan = forked(definition, history("ok skip", "a", "b out"), "ok")

    assert kept(plan) == ["a"]
