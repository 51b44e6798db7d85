"""What a message means: a command, something a pattern fits, or neither."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.inputs import fault
from .trigger import COMMANDS

if TYPE_CHECKING:
    from ...graphs.firing import Trigger
    from ...graphs.question import Question
    from ...graphs.workflow import Workflow
    from .trigger import ChatTrigger

_ID = re.compile(r"q[0-9a-f]{19}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Heard:
    """A chat trigger that a conversation can fire, and what it starts."""

    trigger: Trigger
    spec: ChatTrigger
    workflow: Workflow

    @property
    def about(self) -> str:
        return self.spec.description or self.workflow.description or self.trigger.workflow


@dataclass(frozen=True, slots=True)
class Command:
    """`name` is one of `COMMANDS`; `id` an execution's or a question's, if one is named."""

    name: str
    id: str = ""
    rest: str = ""

    @property
    def answers(self) -> bool:
        return self.name in ("approve", "reject", "answer")


@dataclass(frozen=True, slots=True)
class Fit:
    """A trigger whose pattern fits, how much of it is fixed text, and what it captured."""

    heard: Heard
    weight: int
    captured: Mapping[str, str]


def command(text: str) -> Command | None:
    """The command that a text is: its first word, and nothing but an id behind those that take
    nothing else."""
    first, _, rest = text.strip().lstrip("/").partition(" ")
    name = first.casefold().rstrip("?!.,:")
    if name not in COMMANDS:
        return None
    rest = rest.strip()
    id, _, behind = rest.partition(" ")
    if _ID.fullmatch(id.casefold()):
        id, rest = id.casefold(), behind.strip()
    else:
        id = ""
    if rest and name in ("help", "list", "workflows", "status", "stop"):
        return None
    return Command("list" if name == "workflows" else name, id, rest)


def fitting(text: str, heard: Sequence[Heard]) -> Sequence[Fit]:
    """The triggers that are meant: those whose fitting pattern has the most fixed text."""
    found: list[Fit] = []
    for each in heard:
        fits = [
            (pattern.weight, captured)
            for pattern in each.spec.patterns
            if (captured := pattern.match(text)) is not None
        ]
        if fits:
            weight, captured = max(fits, key=lambda fit: fit[0])
            found.append(Fit(each, weight, captured))
    most = max((fit.weight for fit in found), default=0)
    return [fit for fit in found if fit.weight == most]


def continued(text: str, heard: Heard, before: Mapping[str, str]) -> Mapping[str, str] | None:
    """What goes on with a conversation that the trigger began: the text takes the place of what
    captured the rest, and everything else stays. None when nothing captures the rest."""
    for pattern in heard.spec.patterns:
        others = [name for name in pattern.names if name != pattern.rest]
        if pattern.rest and all(name in before for name in others):
            return {**{name: before[name] for name in others}, pattern.rest: text.strip()}
    return None


def options(question: Question) -> Sequence[Any]:
    """What a question lets people choose from; empty when it wants more than a choice."""
    given = (question.schema or {}).get("enum", ())
    return list(given) if 0 < len(given) <= 10 else ()


def answer_of(question: Question, text: str) -> Any:
    """A text as the value that a question's schema wants; it is checked by whoever takes it."""
    schema = question.schema or {}
    for option in options(question):
        if text.casefold() in (str(option).casefold(), question.choices.get(str(option), "\0")):
            return option
    named = schema.get("properties", {})
    if schema.get("type") == "object" and len(named) == 1 and not text.startswith("{"):
        ((name, inner),) = named.items()
        return {name: _typed(text, inner.get("type", "string"))}
    return _typed(text, schema.get("type", "any"))


def _typed(text: str, type: Any) -> Any:
    if type == "string":
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if isinstance(type, str) and type != "any" and fault(value, type) else value
