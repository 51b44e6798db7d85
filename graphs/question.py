"""What an execution waits for: a person, an event, a time. Plain frozen data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self


class Wait(StrEnum):
    """What kind of thing is waited for."""

    APPROVAL = "approval"  # a person
    EVENT = "event"  # something outside, by name and key
    SLEEP = "sleep"  # a time, and nothing else
    RETRY = "retry"  # the next attempt, and nothing else
    ONCE = "once"  # a person says what became of an effect that a crash cut off


class QuestionStatus(StrEnum):
    """`withdrawn`: nobody waits for the answer any more."""

    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Answer:
    """`value` is what the question's schema wants; `by` is who said it (empty: time did).

    `approved` is the verdict of an approval, True for everything else.
    """

    value: Any = None
    by: str = ""
    comment: str = ""
    at: str = ""
    approved: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that one step of an execution waits for.

    `id` is made of execution and path (`question_id`), so that a resume asks the same. `due`
    is when waiting ends by itself, seconds since 1970. `schema` is a JSON Schema of the
    answer. `approvers` may answer (empty: everyone who may operate), `wanted` of them must;
    `later` may as well from `escalates` on, seconds since 1970. `event` and `key` are what
    an `event` waits for (key None: any). `votes` are the answers so far, `answer` the one that
    counts. `revision` grows with every change.
    """

    id: str
    execution_id: str
    path: str
    kind: Wait
    message: str = ""
    schema: Mapping[str, Any] | None = None
    due: float | None = None
    approvers: Sequence[str] = ()
    wanted: int = 1
    escalates: float | None = None
    later: Sequence[str] = ()
    event: str | None = None
    key: str | None = None
    asked_at: str = ""
    status: QuestionStatus = QuestionStatus.OPEN
    votes: Sequence[Answer] = ()
    answer: Answer | None = None
    revision: int = 0
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Only time is waited for: nobody can answer."""
        return self.kind in (Wait.SLEEP, Wait.RETRY)

    def answered(self, answer: Answer) -> Self:
        return replace(self, status=QuestionStatus.ANSWERED, answer=answer)

    def withdrawn(self) -> Self:
        return replace(self, status=QuestionStatus.WITHDRAWN)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON; `from_dict` reads it back."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["kind"], data["status"] = self.kind.value, self.status.value
        data["approvers"], data["later"] = list(self.approvers), list(self.later)
        data["votes"] = [vote.to_dict() for vote in self.votes]
        data["answer"] = None if self.answer is None else self.answer.to_dict()
        data["choices"] = dict(self.choices)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        given = dict(data)
        given["kind"] = Wait(given["kind"])
        given["status"] = QuestionStatus(given["status"])
        given["votes"] = tuple(Answer(**vote) for vote in given["votes"])
        given["answer"] = Answer(**given["answer"]) if given["answer"] else None
        return cls(**given)


def question_id(execution_id: str, path: str, kind: Wait) -> str:
    """The id of the question that a step at a path asks: 20 characters, the same for ever."""
    told = f"{execution_id}\0{path}\0{kind.value}".encode()
    return "q" + hashlib.sha256(told).hexdigest()[:19]


@dataclass(frozen=True, slots=True)
class Signal:
    """An event from outside, or from an `emit` step, that a `wait_event` step may wait for.

    `at` is seconds since 1970. `source` is the id of the execution that emitted it, empty for
    one from outside.
    """

    id: str
    name: str
    key: str | None
    payload: Any
    at: float
    source: str = ""


def signal_id(execution_id: str, path: str) -> str:
    """The id of the event that a step at a path emits: 20 characters, the same for ever."""
    return "e" + hashlib.sha256(f"{execution_id}\0{path}".encode()).hexdigest()[:19]
