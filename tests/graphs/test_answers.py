"""Who may answer a question, with what, and when it is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.answers import voted
from assay.graphs.errors import (
    AssayError,
    InvalidInput,
    NotAuthorized,
    NotPossible,
    QuestionClosed,
)
from assay.graphs.question import Answer, Question, QuestionStatus, Wait
from assay.graphs.runner import OUTCOME_SCHEMA, OUTCOMES

NOW = 1_000.0
PERSON = {"type": "object", "properties": {"age": {"type": "integer", "title": "in years"}}}


def question(**fields: Any) -> Question:
    return replace(Question("q1", "e1", "ship", Wait.APPROVAL), **fields)


def vote(asked: Question, by: str = "", now: float = NOW, **said: Any) -> Question:
    """The question after the answer, which must have changed it."""
    changed = voted(asked, Answer(by=by, **said), now=now)
    assert changed is not None
    return changed


def refused(error: type[AssayError], asked: Question, by: str = "", **said: Any) -> str:
    now = said.pop("now", NOW)
    with pytest.raises(error) as caught:
        voted(asked, Answer(by=by, **said), now=now)
    return caught.value.message


def test_a_yes_answers() -> None:
    changed = vote(question(revision=4), "ada", comment="go")

    assert changed.status is QuestionStatus.ANSWERED
    assert changed.answer == Answer(by="ada", comment="go")
    assert (changed.votes, changed.revision) == ((changed.answer,), 5)


def test_without_approvers_everybody_may_answer_the_owner_by_no_name() -> None:
    assert vote(question(), "").answer == Answer()
    assert vote(question(), "anyone").answer == Answer(by="anyone")


def test_with_approvers_only_they_may() -> None:
    asked = question(approvers=["ada", "grace"])

    assert vote(asked, "grace").status is QuestionStatus.ANSWERED
    for stranger in ("eve", "Ada", "ada ", ""):
        assert "'ada', 'grace' may" in refused(NotAuthorized, asked, stranger)


def test_a_stranger_is_refused_before_anything_else_is_looked_at() -> None:
    asked = question(approvers=["ada"], schema=PERSON, status=QuestionStatus.WITHDRAWN)

    refused(NotAuthorized, asked, "eve", value=object())


def test_the_later_ones_may_answer_from_the_moment_on() -> None:
    asked = question(approvers=["ada"], later=["boss"], escalates=NOW)

    assert "and 'boss' from 1970-01-01T00:16:40Z on" in refused(
        NotAuthorized, asked, "boss", now=NOW - 0.001
    )
    assert vote(asked, "boss", NOW).status is QuestionStatus.ANSWERED
    assert "'ada', 'boss' may" in refused(NotAuthorized, asked, "eve")


def test_without_a_moment_the_later_ones_may_never_answer() -> None:
    refused(NotAuthorized, question(approvers=["ada"], later=["boss"]), "boss")


def test_several_must_agree_and_each_counts_once() -> None:
    asked = question(wanted=2)

    once = vote(asked, "ada", value=None)
    assert (once.status, once.answer) == (QuestionStatus.OPEN, None)
    assert voted(once, Answer(by="ada", at="later"), now=NOW) is None
    twice = vote(once, "grace")
    assert (twice.status, twice.answer) == (QuestionStatus.ANSWERED, Answer(by="grace"))


def test_several_must_have_names() -> None:
    assert "wants 2 people: say who you are" in refused(NotAuthorized, question(wanted=2))


def test_a_changed_mind_takes_the_place_of_the_earlier_vote() -> None:
    asked = question(wanted=2, schema={"type": "integer"})
    changed = vote(vote(vote(asked, "ada", value=1), "ada", value=2), "ada", value=1)

    assert [(v.by, v.value) for v in changed.votes] == [("ada", 1)]
    assert (changed.status, changed.revision) == (QuestionStatus.OPEN, 3)


def test_one_no_decides_whoever_said_yes_before() -> None:
    once = vote(question(wanted=3), "ada")

    for by in ("ada", "grace"):
        changed = vote(once, by, approved=False, comment="no")
        assert changed.status is QuestionStatus.ANSWERED
        assert changed.answer == Answer(by=by, approved=False, comment="no")


def test_the_same_again_changes_nothing_also_after_it_was_closed() -> None:
    closed = vote(vote(question(wanted=2), "ada"), "grace", approved=False)

    for by, approved in (("ada", True), ("grace", False)):
        assert voted(closed, Answer(by=by, approved=approved), now=NOW) is None


@pytest.mark.parametrize(
    "said", [{"approved": False}, {"value": 1}, {"value": True}, {"comment": "other words"}]
)
def test_anything_else_is_too_late(said: dict[str, Any]) -> None:
    """`true` is not `1`, though Python has them equal."""
    closed = vote(question(schema={}), "ada", value=1.0)

    assert "has been answered by 'ada' already" in refused(QuestionClosed, closed, "ada", **said)
    assert "already" in refused(QuestionClosed, closed, "grace", value=1.0)


def test_nobody_can_answer_what_was_withdrawn() -> None:
    once = vote(question(wanted=2), "ada").withdrawn()

    assert "nobody waits for its answer any more" in refused(QuestionClosed, once, "grace")
    assert voted(once, Answer(by="ada"), now=NOW) is None


def test_a_deadline_holds_also_when_nobody_was_there_to_close_the_question() -> None:
    asked = question(due=NOW)

    assert "ended at 1970-01-01T00:16:40Z" in refused(QuestionClosed, asked, "ada", now=NOW)
    assert vote(asked, "ada", NOW - 0.001).status is QuestionStatus.ANSWERED


@pytest.mark.parametrize("kind", [Wait.SLEEP, Wait.RETRY])
def test_time_cannot_be_answered(kind: Wait) -> None:
    asked = question(kind=kind, due=NOW)

    assert "waits for time only until 1970-01-01T00:16:40Z" in refused(NotPossible, asked, "ada")


def test_an_event_is_sent_not_answered() -> None:
    asked = question(kind=Wait.EVENT, event="paid")

    assert "the event 'paid': send that event" in refused(NotPossible, asked, "ada")


def test_a_value_must_fit_and_the_message_has_the_words_of_the_schema() -> None:
    asked = question(schema={**PERSON, "required": ["age"], "description": "who it is"})

    says = refused(InvalidInput, asked, "ada", value={"age": "old"})
    assert says == (
        'the answer to question q1 does not fit: age: "old" is not of type "integer" (in years)'
    )
    assert '"age" is a required property (who it is)' in refused(InvalidInput, asked, value={})
    assert 'null is not of type "object" (who it is)' in refused(InvalidInput, asked)
    assert vote(asked, value={"age": 36}).answer == Answer({"age": 36})


def test_every_fault_is_told_but_not_a_thousand() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}

    says = refused(InvalidInput, question(schema=schema), value=["x" * 5000, "y", *"zzzzzz"])
    assert "0: " in says
    assert "1: " in says
    assert len(says) < 1000


def test_a_reference_in_a_schema_is_followed_for_its_words() -> None:
    schema = {
        "properties": {"who": {"$ref": "#/$defs/name"}},
        "$defs": {"name": {"type": "string", "description": "a name"}},
    }

    says = refused(InvalidInput, question(schema=schema), value={"who": 1})
    assert says.endswith('who: 1 is not of type "string" (a name)')


def test_a_no_needs_no_value_and_one_that_is_given_must_fit() -> None:
    asked = question(schema={"type": "integer"})

    assert vote(asked, approved=False).answer == Answer(approved=False)
    refused(InvalidInput, asked, approved=False, value="x")


def test_without_a_schema_there_is_no_value() -> None:
    assert "wants no value" in refused(InvalidInput, question(), value=1)


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**70, "\ud800"])
def test_a_value_that_json_cannot_hold_is_refused(value: object) -> None:
    assert "must be JSON" in refused(InvalidInput, question(schema={}), value=value)


def test_what_is_kept_is_what_was_checked() -> None:
    """NaN becomes null in JSON, so it is no number."""
    refused(InvalidInput, question(schema={"type": "number"}), value=float("nan"))
    kept = vote(question(schema={"type": "array"}), value=(1, 2)).answer
    assert kept is not None
    assert kept.value == [1, 2]


def test_a_schema_fetches_nothing_and_its_patterns_take_linear_time() -> None:
    for schema in ({"$ref": "http://127.0.0.1:1/x"}, {"$schema": "http://127.0.0.1:1/x"}):
        assert "cannot be used" in refused(InvalidInput, question(schema=schema), value=1)
    slow = question(schema={"pattern": "^(a+)+$"})
    refused(InvalidInput, slow, value="a" * 5000 + "b")


def test_an_effect_that_was_cut_off_is_answered_by_its_outcome() -> None:
    asked = question(kind=Wait.ONCE, schema=OUTCOME_SCHEMA, choices=OUTCOMES)

    assert vote(asked, value={"outcome": "repeat"}).status is QuestionStatus.ANSWERED
    for wrong in ({}, {"outcome": "maybe"}, None):
        assert "repeat: it has not: run the step" in refused(InvalidInput, asked, value=wrong)
    assert "is not one of yes or no" in refused(
        InvalidInput, asked, value={"outcome": "fail"}, approved=False
    )


PEOPLE = st.sampled_from(["ada", "grace", "bob", "eve"])
VOTES = st.lists(st.tuples(PEOPLE, st.integers(0, 9).map(lambda n: n > 1)), max_size=12)


@given(VOTES, st.integers(1, 3))
def test_the_outcome_is_the_first_no_or_the_last_yes_that_was_wanted(
    votes: list[tuple[str, bool]], wanted: int
) -> None:
    asked, yes = question(approvers=["ada", "grace", "bob"], wanted=wanted), set[str]()
    decided: Answer | None = None
    for by, approved in votes:
        before = asked
        try:
            asked = voted(before, Answer(by=by, approved=approved), now=NOW) or before
        except (NotAuthorized, QuestionClosed):
            assert by == "eve" or decided is not None
        if decided is None and by != "eve":
            yes |= {by} if approved else set()
            if not approved or len(yes) == wanted:
                decided = Answer(by=by, approved=approved)
        assert asked.answer == decided
        assert len({v.by for v in asked.votes}) == len(asked.votes)
        assert asked.revision - before.revision in (0, 1)
