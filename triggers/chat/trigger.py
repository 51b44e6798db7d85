"""`type: chat`: what people say to a bot, by patterns or in their own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ...graphs.errors import InvalidInput
from ...graphs.inputs import NOUNS, fault, input_from_text
from ...graphs.registry import nearest
from ...graphs.step import Identifier, Text
from ...graphs.trigger import Fire, Overlap, TriggerSpec
from .patterns import Pattern, parse_pattern

if TYPE_CHECKING:
    from ...graphs.fields import Where
    from ...graphs.firing import Trigger
    from ...graphs.workflow import Workflow

COMMANDS = frozenset({"help", "list", "workflows", "status", "stop", "approve", "reject", "answer"})
"""What every bot understands, by the first word; a pattern that begins so would never match."""

GIVEN = frozenset({"text", "conversation", "platform", "channel", "person"})
"""What the payload holds beside what a pattern captures, which wins: the whole text, the key of
the conversation, and names."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _possible(text: str) -> str:
    pattern = parse_pattern(text)
    first = pattern.parts[0]
    if not first.name and first.before in COMMANDS:
        raise ValueError(
            f"{text!r} would never match: {first.before!r} is a command that every bot has; "
            "begin with another word"
        )
    return text


Patterns = Annotated[
    tuple[Annotated[str, AfterValidator(_possible)], ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=20, strict=False),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class ChatTrigger(TriggerSpec):
    """Fired by a message that a pattern fits, or that a model takes to mean this workflow."""

    type: Literal["chat"]
    match: Patterns | None = Field(
        default=None,
        description="What is said: words, `{name}` for one word or a text in quotes, and "
        "`{name...}` for all the rest. One pattern, or several.",
    )
    platforms: Annotated[tuple[Identifier, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="Only there; absent: wherever the bot is."
    )
    examples: Annotated[tuple[str, ...], Field(max_length=20, strict=False)] = Field(
        default=(), description="What people say in their own words, for the model that reads it."
    )
    key: Text | None = Field(
        default="{{ payload.conversation }}",
        description="What `overlap`, `debounce` and `throttle` count by: the thread.",
    )
    overlap: Overlap = Field(
        default="queue",
        description="What happens while an execution that the thread began has not ended.",
    )

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        return tuple(parse_pattern(text) for text in self.match or ())

    def heard_on(self, platform: str) -> bool:
        return self.platforms is None or platform in self.platforms

    def merged(self, first: Any, then: Any) -> Any:
        """The later one, with the texts of both, one below the other."""
        texts = {"text", *(pattern.rest for pattern in self.patterns if pattern.rest)}
        both = {name for name in texts if name in first and name in then}
        return {**then, **{name: f"{first[name]}\n{then[name]}" for name in both}}

    def misfits(self, workflow: Workflow) -> Iterator[tuple[Where, str]]:
        """Patterns whose captures go nowhere, or that leave a required input without a value."""
        if self.with_ is not None:
            return
        for index, pattern in enumerate(self.patterns):
            where: Where = ("match", index) if len(self.patterns) > 1 else ("match",)
            for name in pattern.names:
                if name not in workflow.inputs:
                    there = nearest(name, workflow.inputs)
                    yield where, f"{pattern.text!r}: there is no input {name!r}{there}"
            for name in _required(workflow):
                if name not in {*pattern.names, *GIVEN}:
                    yield (
                        where,
                        f"{pattern.text!r} does not capture the required input {name!r}; "
                        f"write {{{name}}} in it, or give it in `with`",
                    )


def converted(workflow: Workflow, captured: Mapping[str, str]) -> dict[str, Any]:
    """What was captured, as the inputs of the same names want it.

    Raises `InvalidInput` that names the first one that does not fit.
    """
    values: dict[str, Any] = {}
    for name, text in captured.items():
        declared = workflow.inputs.get(name)
        values[name] = text if declared is None else input_from_text(declared, text)
        if declared is not None and fault(values[name], declared.type):
            raise InvalidInput(f"{name!r} must be {NOUNS[declared.type]}, and {text!r} is not")
    return values


def _required(workflow: Workflow) -> Iterator[str]:
    for name, declared in workflow.inputs.items():
        if declared.required and declared.default is None:
            yield name


class Chat:
    """Fired by the chat desk, which reads what the platforms send."""

    model = ChatTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        del trigger, spec, fire
