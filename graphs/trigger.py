"""What starts executions, as a definition writes it: the fields that every kind of trigger has.

The kinds themselves live in the room `triggers`, and come in by the entry points
`assay.triggers`. A trigger that somebody creates is checked by the same models.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from .binding import BoundField
from .step import LAX, Condition, Data, Duration, Identifier, Model, Text

if TYPE_CHECKING:
    from .errors import Problem
    from .fields import Where
    from .firing import Firing, Trigger
    from .workflow import Workflow

NAMES = ("payload", "attributes", "trigger")
"""What the expressions of a trigger see: what came, text about it by lower-case name, and the
trigger itself (`id type workflow at`)."""

NOTIFICATION = "notification"
"""The kind of trigger that an execution fires, and that tells somebody instead of starting one."""

Overlap = Literal["queue", "reject", "replace", "parallel", "merge"]


class Throttle(Model):
    """How many firings may start something in a while; those beyond are dropped."""

    limit: Annotated[int, Field(ge=1, le=1000)] = Field(default=1, description="How many.")
    per: Duration = Field(description="In any such time.")


class TriggerSpec(Model):
    """The fields that every kind of trigger has.

    A kind adds its own, `type: Literal[...]` among them; it may give `overlap` another default.
    """

    noun: ClassVar[str] = "trigger"
    brings: ClassVar[Sequence[str]] = ()
    """The names in its payload, where they are always the same."""

    id: Identifier | None = Field(
        default=None, description="Unique in the workflow; absent: the type, numbered from the 2nd."
    )
    description: str | None = Field(default=None, description="What it is for, for people.")
    enabled: bool = Field(default=True, description="Whether it fires, until somebody says so.")
    if_: Condition | None = Field(
        default=None, alias="if", description="Nothing starts when this is false."
    )
    with_: dict[Identifier, Data] | None = Field(
        default=None,
        alias="with",
        description="The inputs; absent: the fields of the payload that the workflow takes.",
    )
    key: Text | None = Field(
        default=None,
        description="What `overlap`, `debounce` and `throttle` count by; absent: the trigger.",
    )
    overlap: Overlap = Field(
        default="parallel",
        description="What happens while an execution that it began has not ended.",
    )
    debounce: Duration | None = Field(
        default=None, description="Start when nothing more has come for so long, with the last."
    )
    throttle: Throttle | None = Field(default=None, description="How often it may start.")
    priority: int = Field(default=0, description="Of its executions; the highest run first.")

    @property
    def kind(self) -> str:
        """The name of the trigger's kind: its `type`."""
        return str(getattr(self, "type"))  # noqa: B009 - each kind declares its own literal

    def initial(self, now: float) -> float | None:
        """When somebody must look at a new trigger of this kind; seconds since 1970, None: never.

        A kind that the clock fires says so; the others are fired by what they listen to.
        """
        del now
        return None

    def says(self) -> str:
        """When it fires, in words; empty where its type says it."""
        return ""

    def misfits(self, workflow: Workflow) -> Iterable[tuple[Where, str]]:
        """What is wrong with the kind's own fields for that workflow: where in it, and why."""
        del workflow
        return ()

    def hears(self, event: str) -> bool:
        """Whether an event of that name, emitted by a step, fires it."""
        del event
        return False

    def merged(self, first: Any, then: Any) -> Any:
        """The payload of a firing that stands for two, with `overlap: merge`: the later one."""
        del first
        return then


class Fire(Protocol):
    """Fires one trigger."""

    def __call__(
        self,
        payload: Any,
        *,
        attributes: Mapping[str, str] | None = None,
        id: str | None = None,
        depth: int = 0,
    ) -> Awaitable[Firing]:
        """Durable when it returns. The same `id` again is the same firing; None: another."""


class TriggerKind(Protocol):
    """One kind of trigger. Registered under the entry point group `assay.triggers`."""

    @property
    def model(self) -> type[TriggerSpec]: ...

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Fire the trigger whenever what it waits for happens, until cancelled.

        Runs in every process that serves, for each trigger that is enabled, so `fire` is given
        an id that is the same in all of them. It is begun again when it raises. Returns at
        once when the kind is fired by others: by the clock, by requests, by hand.
        """


def _of_its_kind(value: object, info: ValidationInfo) -> object:
    """A trigger as the model of its kind; the context of validation finds the kinds."""
    if not isinstance(value, Mapping):
        raise PydanticCustomError("trigger", "a trigger is a mapping with a `type`")
    return _of_kind(value, info)


def _notification(value: object, info: ValidationInfo) -> object:
    """One of `notifications`: what it is need not be said."""
    if not isinstance(value, Mapping):
        raise PydanticCustomError("notification", "a notification is a mapping with a `url`")
    return _of_kind({"type": NOTIFICATION, **value}, info)


def _of_kind(value: Mapping[str, Any], info: ValidationInfo) -> object:
    assert info.context is not None
    kinds, kind = info.context["triggers"](), value.get("type")
    if kind is None:
        raise PydanticCustomError("trigger_missing", "no `type`")
    if not isinstance(kind, str) or kind not in kinds:
        raise PydanticCustomError("trigger_unknown", "unknown `type`")
    return kinds.get(kind).model.model_validate(value, context=info.context)


if TYPE_CHECKING:
    AnyTrigger: TypeAlias = TriggerSpec
    AnyNotification: TypeAlias = TriggerSpec
else:
    AnyNotification = Annotated[
        Any,
        PlainValidator(_notification),
        WithJsonSchema({"title": "AnyNotification"}, mode="validation"),
    ]
    AnyTrigger = Annotated[
        Any,
        PlainValidator(_of_its_kind),
        WithJsonSchema({"title": "AnyTrigger"}, mode="validation"),
    ]

Triggers = Annotated[tuple[AnyTrigger, ...], LAX, Field(max_length=100)]
Notifications = Annotated[tuple[AnyNotification, ...], LAX, Field(max_length=20)]


@dataclass(frozen=True, slots=True)
class BoundTrigger:
    """A trigger with its program text compiled; `id` is unique in the workflow.

    `when` is its `if`, `inputs` its `with`; None where it has none.
    """

    id: str
    spec: TriggerSpec
    when: BoundField | None = None
    inputs: BoundField | None = None
    key: BoundField | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """Triggers, and what is wrong with them."""

    triggers: Sequence[BoundTrigger] = ()
    problems: Sequence[Problem] = ()
    places: Mapping[str, Where] = field(default_factory=dict)
