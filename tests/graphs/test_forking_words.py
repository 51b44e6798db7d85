"""What people are told: why a fork cannot be, and what one would do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.graphs.errors import InvalidInput
from assay.graphs.forking import describe
from assay.graphs.history import History

from .test_forking import ABC, CALL, EACH, LOOP, REPAIR, forked, history, result, shell
from .test_forking_retry import TWICE

ITEMS = history("each[0].get", "each[0].put", "each[1].get", "each[1].put", "each")
TURNS = history("loop[0].edit", "loop[0].check", "loop[1].edit", "loop")


@pytest.mark.parametrize(
    ("definition", "past", "path", "says"),
    [
        (ABC, history("a", "b"), "bb", "no step 'bb'"),
        (ABC, history("a", "b"), "bb", "did you mean 'b'?"),
        (ABC, history("a", "b"), "c", "'c' was never reached"),
        (ABC, history("a", "b"), "b c", "not the path of a step"),
        (ABC, history("a", "b"), "b[0]", "does not repeat its steps: leave '[0]' out"),
        (ABC, history("a", "b"), "b#2", "no paths of their own: begin at the step"),
        (ABC, history("a", "b"), "a.b", "no step 'b' in 'a'"),
        (ABC, history("a", "b"), "b/rollback.x", "lies inside the step 'b'"),
        (ABC, history("a", "b"), "", "not the path of a step"),
        (EACH, ITEMS, "each.put", "needs an iteration; it is at 'each[0].put' and 'each[1].put'"),
        (
            EACH,
            ITEMS,
            "put",
            "no step 'put', so nothing can begin at 'put'; it is at 'each[0].put'",
        ),
        (EACH, ITEMS, "each[7].put", "no iteration [7]: it has 0 to 1"),
        (EACH, ITEMS, "each[7]", "no iteration [7]: it has 0 to 1"),
        (EACH, ITEMS, "each[x].put", "not the path of a step"),
        (EACH, history("each"), "each[0]", "no iteration [0]: it has none"),
        (LOOP, TURNS, "loop[1].check", "never reached, so it cannot begin again"),
        (LOOP, TURNS, "loop[1].check", "did you mean 'loop[0].check'?"),
        (CALL, history("a", "call.a"), "call.d", "no step 'd' in 'call'"),
        (CALL, history("a", "call.a"), "call.b", "'call.b' was never reached"),
        (CALL, history("a", "call.a"), "z.b", "no step 'b' in 'z'"),
        (REPAIR, history("plan", "fix", "check"), "fix~2", "'fix~2' was never reached"),
        (REPAIR, history("plan", "fix", "check"), "fix~1", "not the path of a step"),
        (TWICE, history("outer.x", "outer"), "outer#2.x", "no attempt 2 with steps inside"),
        (TWICE, history("outer.x out", "outer"), "outer.x", "did not run: branch not taken"),
        (ABC, history("a", "b", "c"), None, "no step of this execution failed or was cancelled"),
        (ABC, history("a stop"), None, "name the step or the iteration to begin at"),
    ],
)
def test_where_nothing_can_begin_it_says_why_and_what_is_near(
    definition: str, past: History, path: str | None, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        forked(definition, past, path, child=ABC)

    assert says in caught.value.message


ACTS = f"""
- {shell("look", ", effects: pure")}
- {shell("pay", ", effects: once")}
- {shell("write")}
- {{id: ok, type: assert, condition: 'true'}}
- {shell("ship", ", effects: once")}
"""


def test_a_side_effect_repeats_only_where_one_had_begun() -> None:
    past = history("look", "pay", "write failed", begun={"write": ""})

    plan = forked(ACTS, past, "look")

    assert [(s.path, s.effects, s.repeats) for s in plan.again] == [
        ("look", "pure", False),
        ("pay", "once", True),
        ("write", "idempotent", True),
        ("ok", "pure", False),
        ("ship", "once", False),
    ]


def test_a_step_that_only_holds_others_has_no_effects() -> None:
    assert forked(EACH, ITEMS, "each[1].put").again[0].effects == "pure"


def test_a_step_that_can_be_undone_has_effects_like_any_other() -> None:
    undo = shell("undo")
    definition = f"- {shell('a', f', rollback: [{undo}]')}"

    assert forked(definition, history("a"), "a").again[0].repeats


def test_a_step_that_failed_before_its_first_attempt_has_not_acted() -> None:
    failed = replace(result("a failed"), attempts=0)

    assert not forked(ABC, History({"a": failed}), None).again[0].repeats


@pytest.mark.parametrize(
    ("entry", "repeats"),
    [
        *(("a", True), ("a compensated", True), ("a cancelled", True), ("a soft", True)),
        *(("a failed", True), ("a skipped", False)),
    ],
)
def test_whatever_ended_may_have_acted_unless_it_was_skipped(entry: str, repeats: bool) -> None:
    decisions = {("a", "when"): False} if "skipped" in entry else {}

    plan = forked(ABC, history(entry, decisions=decisions), "a")

    assert plan.again[0].repeats is repeats


def test_a_fork_is_told_in_sentences_and_what_must_not_repeat_comes_last() -> None:
    plan = forked(ACTS, history("look", "pay", "write", "ok"), "pay")

    assert describe(plan) == (
        "Begins again at pay.",
        "1 result is kept.",
        "3 steps run again: pay, write and ok.",
        "1 step is still to run: ship.",
        "write may act a second time, with a new idempotency key; `effects: idempotent` says "
        "that this does no harm.",
        "WARNING: pay must happen only once (`effects: once`), has happened, and will happen "
        "again.",
    )


@pytest.mark.parametrize(
    ("entry", "says"),
    [("pay failed", ", may have happened, "), ("pay compensated", ", has happened, was undone, ")],
)
def test_it_is_said_how_certain_it_is_that_an_effect_happened(entry: str, says: str) -> None:
    warning = describe(forked(ACTS, history("look", entry), None))[-1]

    assert warning.startswith("WARNING: pay must happen only once")
    assert says in warning


def test_an_effect_that_was_cut_off_elsewhere_is_asked_about() -> None:
    definition = f"""
    - id: p
      type: parallel
      steps: [{shell("x")}, {shell("pay", ", effects: once")}]
    """
    past = history("p.x", begun={"p.pay": ""}, intents=frozenset({"p.pay"}))

    assert describe(forked(definition, past, "p.x"))[-1] == (
        "p.pay may have happened: you will be asked before it does again."
    )


def test_a_long_list_is_cut_and_nothing_kept_is_said() -> None:
    items = [f"each[{n}].{step}" for n in range(50) for step in ("get", "put")]

    told = describe(forked(EACH, history(*items, "each"), "each"))

    assert told[1] == "Nothing is kept."
    assert told[2].startswith("100 steps run again: each[0].get, each[0].put,")
    assert told[2].endswith("each[3].put and 92 more.")


def test_an_execution_that_was_broken_off_is_told_to_go_on() -> None:
    assert describe(forked(ABC, history("a"), None))[0] == (
        "The execution goes on where it was left."
    )
