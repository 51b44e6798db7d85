"""What every step has: the common fields, and how a field says what its text means.

A field annotated with a `Role` holds program text of the definition language: a
template, a condition, an expression. `graphs.binding` compiles exactly these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from .units import parse_duration, parse_size

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, or lists and text-keyed mappings of these."""


class Role(StrEnum):
    """How the text in a field is read."""

    TEXT = "text"  # a template that becomes text
    DATA = "data"  # any JSON; each text in it is a template that keeps its type
    INPUTS = "inputs"  # DATA in which a bare `step.output` is a reference
    CONDITION = "condition"  # an expression that must be true or false
    EXPRESSION = "expression"  # an expression of any type
    COMMAND = "command"  # a shell command: values are placed, never pasted
    PROMPT = "prompt"  # a prompt: values are delimited and marked as data
    URL = "url"  # values are encoded for the part of the URL they stand in
    BLOCK = "block"  # a list of steps


class Family(StrEnum):
    """The five families of step kinds; three do work, two steer it."""

    DETERMINISTIC = "deterministic"
    AGENTIC = "agentic"
    ASSERTION = "assertion"
    CONTROL = "control"
    WAITING = "waiting"


Text = Annotated[str, Role.TEXT]
Data = Annotated[Json, Role.DATA]
Condition = Annotated[str, Role.CONDITION]
Expression = Annotated[str, Role.EXPRESSION]
LAX = Field(strict=False)
"""Lets a JSON list fill a tuple; what is in it stays strict."""


def _of_its_kind(value: object, info: ValidationInfo) -> object:
    """A step as the model of its kind; the context of validation holds the registered kinds."""
    assert info.context is not None
    kinds = info.context["kinds"]
    if not isinstance(value, Mapping):
        raise PydanticCustomError("step", "a step is a mapping with an `id` and a `type`")
    kind = value.get("type")
    if kind is None:
        raise PydanticCustomError("kind_missing", "no `type`")
    if not isinstance(kind, str) or kind not in kinds:
        raise PydanticCustomError("kind_unknown", "unknown `type`")
    return kinds.get(kind).model.model_validate(value, context=info.context)


if TYPE_CHECKING:
    AnyStep: TypeAlias = "Step"
else:
    AnyStep = Annotated[
        Any, PlainValidator(_of_its_kind), WithJsonSchema({"title": "AnyStep"}, mode="validation")
    ]

Block = Annotated[tuple[AnyStep, ...], Role.BLOCK, LAX, Field(min_length=1)]
"""A list of steps, each of one of the registered kinds."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$",
            "examples": ["500ms", "10s", "5m", "2h", "7d"],
        }
    ),
]
"""Seconds; written `500ms 10s 5m 2h 7d`."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "examples": ["64kB", "512MiB", "1GiB"]}),
]
"""Bytes; written `64kB 512MiB 1GiB`."""

ID_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*$"
Identifier = Annotated[str, Field(pattern=ID_PATTERN, max_length=100)]


class Model(BaseModel):
    """A frozen piece of the definition; unknown fields and wrong types are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        serialize_by_alias=True,
        validate_by_name=True,
        defer_build=True,  # until it is used: a definition has a few of the kinds, not all
    )


Attempts = Annotated[int, Field(ge=1, le=100)]
Backoff = Literal["exponential", "linear", "fixed"]
Strategy = Literal["halt", "skip", "rollback", "retry"]


class Retry(Model):
    """How often to try a step, and how long to wait in between."""

    attempts: Attempts = Field(default=3, description="Attempts in total, the first included.")
    max_attempts: Attempts | None = Field(default=None, description="The same as `attempts`.")
    backoff: Backoff = Field(
        default="exponential", description="How the delay grows from one attempt to the next."
    )
    delay: Duration = Field(default=1.0, description="Wait before the second attempt.")
    max_delay: Duration = Field(default=60.0, description="No wait is longer than this.")
    jitter: bool = Field(default=False, description="Shorten each wait by a random part of it.")
    retry_on: Annotated[tuple[str, ...], LAX] = Field(
        default=(), description="Only errors with one of these codes; all that may pass if empty."
    )

    @property
    def total(self) -> int:
        """Attempts in total, however it was spelled."""
        return self.max_attempts or self.attempts


class OnError(Model):
    """What happens when a step has failed for good (`strategy`); with `retry`'s fields beside."""

    strategy: Strategy = Field(
        description="halt fails the list, skip goes on, rollback compensates, retry tries again."
    )
    attempts: Attempts | None = Field(
        default=None, description="With `retry`: attempts in total (3 if absent)."
    )
    max_attempts: Attempts | None = Field(default=None, description="The same as `attempts`.")
    backoff: Backoff | None = Field(default=None, description="With `retry`: how the delay grows.")
    delay: Duration | None = Field(default=None, description="With `retry`: the first delay.")
    max_delay: Duration | None = Field(default=None, description="With `retry`: the longest delay.")
    jitter: bool | None = Field(default=None, description="With `retry`: randomise the delay.")
    retry_on: Annotated[tuple[str, ...] | None, LAX] = Field(
        default=None, description="With `retry`: only errors with one of these codes."
    )

    def retry(self) -> Retry:
        """The retry policy that strategy `retry` means."""
        given = self.model_dump(exclude={"strategy"}, exclude_none=True)
        return Retry.model_construct(**{**Retry().model_dump(), **given})


class Cache(Model):
    """When the recorded result of an earlier, equal step may stand in for running this one."""

    key: Text | None = Field(
        default=None, description="What the result depends on, beside the step itself."
    )
    ttl: Duration | None = Field(default=None, description="How long a result stays valid.")


class StepLimits(Model):
    """What the processes of a step may use together, their descendants included."""

    memory: Annotated[Size, Field(gt=0)] | None = Field(
        default=None, description="Of all its processes together; more ends them."
    )
    cpu: Annotated[float, Field(ge=0.01, allow_inf_nan=False)] | None = Field(
        default=None, description="Cores, or a part of one: `0.5`."
    )


def _written_as_text(value: object) -> object:
    return {"strategy": value} if isinstance(value, str) else value


OnErrorField = Annotated[
    OnError, BeforeValidator(_written_as_text, json_schema_input_type=Strategy | OnError)
]


class Step(Model):
    """The fields that every kind of step has.

    `local` are the names that its inner lists see beside those around it; a kind that has
    some repeats its list, and the ids in it live within an iteration.
    """

    local: ClassVar[frozenset[str]] = frozenset()

    id: Identifier = Field(description="Unique in the document.")
    name: str | None = Field(default=None, description="What people see instead of the id.")
    description: str | None = Field(default=None, description="What the step is for.")
    needs: Annotated[tuple[str, ...] | None, LAX] = Field(
        default=None, description="Siblings that must have finished; makes the list a graph."
    )
    when: Condition | None = Field(
        default=None, description="The step is skipped when this is false."
    )
    inputs: Annotated[dict[str, Json] | list[Json] | None, Role.INPUTS] = Field(
        default=None, description="Values for the step; a bare `step.output` is a reference."
    )
    outputs: list[Identifier] | dict[Identifier, Text] | None = Field(
        default=None, description="Names for the value, or files kept when the step ends."
    )
    artifacts: dict[Identifier, Text] | None = Field(
        default=None, description="Files kept by SHA-256 when the step ends."
    )
    retry: Retry | None = Field(default=None, description="How often to try.")
    timeout: Duration | None = Field(default=None, description="Limit for one attempt.")
    on_error: OnErrorField | None = Field(
        default=None, description="What happens when the step has failed."
    )
    rollback: Block | None = Field(
        default=None, description="Steps that compensate this one when the execution rolls back."
    )
    cache: bool | Cache | None = Field(
        default=None, description="Reuse the result of an equal step."
    )
    cache_key: Text | None = Field(default=None, description="The same as `cache: {key: …}`.")
    use_cache: bool | None = Field(default=None, description="The same as `cache: true`.")
    effects: Literal["pure", "idempotent", "once"] = Field(
        default="idempotent", description="What running the step twice would mean."
    )
    resource_limits: StepLimits | None = Field(
        default=None, description="Memory and CPU of this step; each beats the workflow's."
    )
    async_: bool = Field(
        default=False, alias="async", description="Go on; joined where it is first needed."
    )

    def blocks(self) -> Mapping[tuple[str, ...], tuple[Step, ...]]:
        """The step's inner lists, by their way in the document: `("then",)`, `("cases", "a")`."""
        return {}

    @property
    def kind(self) -> str:
        """The name of the step's kind: its `type`."""
        return str(getattr(self, "type"))  # noqa: B009 - each kind declares its own literal
