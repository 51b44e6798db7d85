"""Who may answer a question, with what, and when it is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from .errors import InvalidInput, NotAuthorized, NotPossible, QuestionClosed
from .question import Answer, Question, QuestionStatus, Wait

if TYPE_CHECKING:
    import jsonschema_rs

_FAULTS = 5
"""How many faults of a value are told at once."""

_SHOWN = 200
"""Characters of one fault; the message quotes the value, which may be long."""


def voted(question: Question, answer: Answer, *, now: float) -> Question | None:
    """The question with the answer in it; None when that person has said just that already.

    `now` is seconds since 1970. Each person counts once: another answer of his takes the
    place of the earlier one while the question is open. One no decides, and so many yes as
    are `wanted`. Raises `NotPossible` when only time or an event is waited for,
    `NotAuthorized`, `InvalidInput` when the value does not fit, and `QuestionClosed`.
    """
    _expect_a_person(question)
    _admit(question, answer.by, now)
    answer = replace(answer, value=_as_json(answer.value))
    own = next((vote for vote in question.votes if vote.by == answer.by), None)
    if own is not None and _said(own) == _said(answer):
        return None
    _expect_open(question, now)
    _check(question, answer)
    votes = (*(v for v in question.votes if v.by != answer.by), answer)
    changed = replace(question, votes=votes, revision=question.revision + 1)
    agreed = sum(vote.approved for vote in votes)
    decides = not answer.approved or agreed >= question.wanted
    return changed.answered(answer) if decides else changed


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """What checks values by the schema; raises `ValueError` for one that cannot be used.

    A schema may be a stranger's: it fetches nothing, and its patterns take linear time.
    """
    import jsonschema_rs  # seldom needed, and among what takes longest to import

    return jsonschema_rs.validator_for(
        dict(schema), retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def first_line(error: ValueError) -> str:
    """What is wrong with a schema, without where in the validator it was found."""
    return str(error).partition("\n")[0]


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may not refer to {uri}")


def _expect_a_person(question: Question) -> None:
    if question.timed:
        ends = "" if question.due is None else f" until {_time(question.due)}"
        raise NotPossible(
            f"question {question.id} waits for time only{ends}: there is nothing to answer"
        )
    if question.kind is Wait.EVENT:
        raise NotPossible(
            f"question {question.id} waits for the event {question.event!r}: send that event"
        )


def _admit(question: Question, by: str, now: float) -> None:
    """Raise `NotAuthorized` unless that person may answer now. Nameless is the local owner."""
    if not question.approvers:
        if not by and question.wanted > 1:
            raise NotAuthorized(
                f"question {question.id} wants {question.wanted} people: say who you are"
            )
        return
    allowed = [*question.approvers]
    escalated = question.escalates is not None and now >= question.escalates
    allowed += question.later if escalated else ()
    if by in allowed:
        return
    who = repr(by) if by else "whoever gives no name"
    more = ""
    if question.escalates is not None and not escalated:
        more = f", and {_names(question.later)} from {_time(question.escalates)} on"
    raise NotAuthorized(f"{who} may not answer question {question.id}; {_names(allowed)} may{more}")


def _expect_open(question: Question, now: float) -> None:
    """Raise `QuestionClosed`: what was decided stays, and a deadline holds whoever was there."""
    if question.status is QuestionStatus.WITHDRAWN:
        raise QuestionClosed(f"question {question.id}: nobody waits for its answer any more")
    if question.answer is not None:
        verdict = "answered" if question.answer.approved else "rejected"
        by = f" by {question.answer.by!r}" if question.answer.by else ""
        raise QuestionClosed(f"question {question.id} has been {verdict}{by} already")
    if question.due is not None and now >= question.due:
        raise QuestionClosed(
            f"question {question.id}: the time to answer it ended at {_time(question.due)}"
        )


def _check(question: Question, answer: Answer) -> None:
    """Raise `InvalidInput` unless the question wants such an answer."""
    if question.kind is not Wait.APPROVAL and not answer.approved:
        raise InvalidInput(
            f"question {question.id} is not one of yes or no; answer it with a value"
            f"{_choices(question)}"
        )
    if question.schema is None:
        if answer.value is not None:
            raise InvalidInput(
                f"question {question.id} wants no value: say yes or no, and a comment"
            )
        return
    if not answer.approved and answer.value is None:
        return  # a no needs no reasons
    faults = list(islice(_faults(question, answer.value), _FAULTS))
    if faults:
        raise InvalidInput(
            f"the answer to question {question.id} does not fit: {'; '.join(faults)}"
            f"{_choices(question)}"
        )


def _faults(question: Question, value: Any) -> Iterator[str]:
    """What is wrong with the value and where, with what its schema says of the place."""
    assert question.schema is not None
    try:
        found = validator(question.schema).iter_errors(value)
    except ValueError as error:
        yield f"its schema cannot be used: {first_line(error)}"
        return
    for fault in found:
        place = ".".join(map(str, fault.instance_path))
        why = fault.message if len(fault.message) <= _SHOWN else f"{fault.message[:_SHOWN]}…"
        words = _words(question.schema, fault.schema_path)
        yield f"{place}: {why}{words}" if place else f"{why}{words}"


def _words(schema: Any, path: Sequence[str | int]) -> str:
    """What the schema says, for people, of the place that a rule in it belongs to."""
    for step in path[:-1]:
        try:
            schema = schema[step]
        except (LookupError, TypeError):
            return ""
    if not isinstance(schema, Mapping):
        return ""
    said = schema.get("description") or schema.get("title")
    return f" ({said})" if isinstance(said, str) else ""


def _choices(question: Question) -> str:
    told = "; ".join(f"{name}: {means}" for name, means in question.choices.items())
    return f" ({told})" if told else ""


def _as_json(value: Any) -> Any:
    """The value as it will be kept; raises `InvalidInput`."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as error:
        raise InvalidInput(f"an answer must be JSON: {error}") from error


def _said(answer: Answer) -> bytes:
    """What the person said, apart from when. `true` and `1` are not the same."""
    said = [answer.approved, answer.value, answer.comment]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "nobody"


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
