"""Where an execution stands is said with what can be done now, ready to be copied."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace

import pytest

from assay.api.cli.standing import Standing, hints
from assay.api.cli.waits import ways
from assay.graphs.execution import Execution, Status
from assay.graphs.question import Answer, Question, Wait

WAITING = Execution("0123", "test", "1", "d" * 64, Status.WAITING)
ASKS = Question("q1", "0123", "ask", Wait.APPROVAL, "Go on?")
GATE = Question("q2", "0123", "gate", Wait.EVENT, event="it's deployed", key="a b")
NAP = Question("q3", "0123", "nap", Wait.SLEEP)


def told(*questions: Question, status: Status = Status.WAITING, driven: bool = False) -> list[str]:
    standing = Standing(replace(WAITING, status=status), questions, driven)
    return [line.text for line in hints(standing)]


def test_a_question_is_told_with_the_commands_that_answer_it() -> None:
    assert told(ASKS) == [
        "ask asks: Go on?",
        "    assay answer q1 --approve",
        "    assay answer q1 --reject",
    ]


def test_who_may_answer_and_who_has_is_told() -> None:
    votes = (Answer(by="ann"), Answer(by="bob", approved=False))
    lines = told(replace(ASKS, approvers=("ann", "bob"), wanted=2, votes=votes))
    assert lines[1:3] == ["    1 of 2 have said yes", "    may be answered by ann, bob"]


def test_a_long_question_stands_on_lines_of_its_own_and_is_cut() -> None:
    lines = told(replace(ASKS, message="\n".join(f"line {n}" for n in range(30))))
    assert lines[:2] == ["ask asks:", "    line 0"]
    assert lines[-3] == "    … 10 lines more"


def test_an_event_is_sent_by_words_that_a_shell_keeps() -> None:
    says, command = told(GATE)
    assert says == """gate waits for the event "it's deployed" with the key 'a b'"""
    assert shlex.split(command) == ["assay", "send", "it's deployed", "--key", "a b"]


def test_choices_are_told_with_what_they_mean() -> None:
    choices = {"happened": "it has", "repeat": "it has not"}
    schema = {"type": "object", "properties": {"outcome": {"enum": list(choices)}, "output": {}}}
    asked = replace(ASKS, kind=Wait.ONCE, choices=choices, schema=schema)
    assert told(asked)[1:] == [
        "    assay answer q1 -v outcome=happened",
        "        it has",
        "    assay answer q1 -v outcome=repeat",
        "        it has not",
    ]


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "integer"}, "--value JSON"),
        ({"properties": {"a": {}, "b": {}}}, "-v a=… -v b=…"),
        ({"properties": {"a": {}, "b": {}}, "required": ["b", "c"]}, "-v b=…"),
        ({"properties": {"a b": True}}, "-v 'a b'=…"),
        ({"properties": None}, "--value JSON"),
        ({"properties": {"a": {}}, "required": []}, "-v a=…"),
    ],
)
def test_a_schema_says_how_the_value_is_given(schema: dict[str, object], given: str) -> None:
    (command, _), *_ = ways(replace(ASKS, schema=schema))
    assert command == f"assay answer q1 {given}"


def test_time_is_told_with_what_to_do_past_it() -> None:
    due = time.time() + 2 * 3600 + 25
    says, hint = told(replace(NAP, due=due))
    assert says.startswith("nap sleeps until ")
    assert says.endswith(", 2h left")
    assert hint == "past that time: assay resume 0123, or a worker"
    assert told(replace(ASKS, due=due))[-1] == hint
    assert told(replace(NAP, due=due), driven=True)[-1].startswith("another process drives it")


def test_many_questions_are_told_in_part() -> None:
    lines = told(*[replace(ASKS, id=f"q{n}") for n in range(1000)])
    assert lines[-1] == "992 more: assay questions --execution 0123"
    assert len(lines) == 8 * 3 + 1


@pytest.mark.parametrize(
    ("status", "driven", "hint"),
    [
        (Status.PAUSED, False, "to go on: assay resume 0123"),
        (Status.PAUSED, True, "to go on: assay resume 0123"),
        (Status.RUNNING, False, "nobody drives it now; to go on: assay resume 0123"),
        (Status.QUEUED, False, "nobody drives it now; to go on: assay resume 0123"),
        (Status.RUNNING, True, "another process drives it; to watch it: assay logs -f 0123"),
    ],
)
def test_what_has_not_ended_says_how_to_go_on(status: Status, driven: bool, hint: str) -> None:
    assert told(status=status, driven=driven) == [hint]


def test_what_has_ended_needs_no_hint() -> None:
    assert told(ASKS, status=Status.COMPLETED) == []


def test_nothing_that_is_asked_can_steer_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;x\x07"
    lines = told(
        replace(ASKS, message=evil, approvers=(evil,)),
        replace(ASKS, message=f"a\n{evil}", choices={evil: evil}),
        replace(ASKS, schema={"properties": {evil: {}}}),
        replace(GATE, event=evil, key=evil),
    )
    assert not any("\x1b" in line or "\x07" in line for line in lines)
