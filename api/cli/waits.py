"""What an execution waits for, and how to answer it, in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from typing import Any

from ...graphs.question import Question, Wait
from .summary import MARGIN, Line
from .text import clean, first_line, left, one_line, until

_LISTED = 8
"""Questions that are told one by one."""

_LONG = 20
"""Lines of a question that are shown."""


def wanted(question: Question) -> str:
    """What is waited for, on one line: `asks: Open a pull request?`"""
    match question.kind:
        case Wait.EVENT if question.event is not None:
            key = "" if question.key is None else f" with the key {one_line(question.key)!r}"
            return f"waits for the event {one_line(question.event)!r}{key}"
        case Wait.EVENT:
            return "waits for an event"
        case Wait.SLEEP:
            return "sleeps"
        case Wait.RETRY:
            return "begins again" if not question.path else "waits for its next attempt"
    return f"asks: {one_line(question.message)}"


def ends(question: Question) -> str:
    """Until when: `until 14:03:22, 4m 59s left`; empty when there is no such time."""
    due = question.due
    return "" if due is None else f"until {until(due)}, {left(due)} left"


def beside(question: Question) -> str:
    """The same beside a step in a tree, the time first: what is asked may be cut off there."""
    if question.due is None:
        return wanted(question)
    return ends(question) if question.timed else f"{left(question.due)} left; {wanted(question)}"


def place(question: Question) -> str:
    """The path of the step that waits; of one that asks again and again, its path alone."""
    return question.path.partition("?")[0]


def told(questions: Sequence[Question], execution_id: str) -> Iterator[Line]:
    """Each question with the command that answers it."""
    for question in questions[:_LISTED]:
        yield from _asked(question)
        for command, means in ways(question):
            yield Line(f"{MARGIN}{command}", "head")
            if means:
                yield Line(f"{MARGIN}    {means}", "dim")
    more = len(questions) - _LISTED
    if more > 0:
        yield Line(f"{more:,} more: assay questions --execution {execution_id}", "dim")


def _asked(question: Question) -> Iterator[Line]:
    who = place(question) or "the execution"
    if question.timed:
        yield Line(f"{who} {wanted(question)} {ends(question)}", "notice")
        return
    lines = clean(question.message).strip("\n").splitlines()
    if len(lines) > 1 and question.kind is not Wait.EVENT:
        yield Line(f"{who} asks:", "notice")
        for line in lines[:_LONG]:
            yield Line(f"{MARGIN}{line}".rstrip(), "prose")
        if len(lines) > _LONG:
            yield Line(f"{MARGIN}… {len(lines) - _LONG} lines more", "dim")
    else:
        yield Line(f"{who} {wanted(question)}", "notice")
    if question.due is not None:
        yield Line(f"{MARGIN}{ends(question)}", "dim")
    if question.wanted > 1:
        agreed = sum(vote.approved for vote in question.votes)
        yield Line(f"{MARGIN}{agreed} of {question.wanted} have said yes", "dim")
    if question.approvers:
        names = ", ".join(map(one_line, question.approvers))
        yield Line(f"{MARGIN}may be answered by {names}", "dim")


def ways(question: Question) -> Iterator[tuple[str, str]]:
    """The commands that answer it, with what they mean; none when only time is waited for."""
    if question.timed:
        return
    if question.kind is Wait.EVENT:
        key = "" if question.key is None else f" --key {_word(question.key)}"
        yield f"assay send {_word(question.event or 'EVENT')}{key}", ""
        return
    answer = f"assay answer {question.id}"
    if question.choices:
        name = _chosen_by(question)
        for choice, means in question.choices.items():
            given = f"-v {name}={_word(choice)}" if name else f"--value {_word(dumps(choice))}"
            yield f"{answer} {given}", first_line(means)
        return
    given = "--approve" if question.schema is None else _example(question.schema)
    yield f"{answer} {given}", ""
    if question.kind is Wait.APPROVAL:
        yield f"{answer} --reject", ""


def members(schema: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """What the value consists of, by name, with the schema of each; empty for a plain value."""
    found = (schema or {}).get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {str(k): v if isinstance(v, Mapping) else {} for k, v in found.items()}


def _chosen_by(question: Question) -> str | None:
    """The member of the answer that holds the choice."""
    for name, schema in members(question.schema).items():
        if list(schema.get("enum", ())) == list(question.choices):
            return name
    return None


def _example(schema: Mapping[str, Any]) -> str:
    """How a value that fits may be given."""
    names = members(schema)
    required = schema.get("required") or list(names)
    given = " ".join(f"-v {_word(name)}=…" for name in required if name in names)
    return given or "--value JSON"


def _word(text: str) -> str:
    """Text as one word of a command, to be copied."""
    return shlex.quote(one_line(text))
