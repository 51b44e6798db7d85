"""A workflow: a definition, named and versioned. A registered version never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, PrivateAttr

from .step import (
    LAX,
    Block,
    Data,
    Duration,
    Identifier,
    Json,
    Model,
    OnErrorField,
    Retry,
    StepLimits,
    Text,
)
from .trigger import Notifications, Triggers

InputType = Literal["string", "number", "integer", "boolean", "array", "object"]
OutputType = Literal["string", "number", "integer", "boolean", "array", "object", "artifact", "any"]


class Input(Model):
    """A declared input."""

    type: InputType = Field(default="string", description="The type a given value must have.")
    required: bool = Field(default=False, description="An execution cannot start without it.")
    default: Json = Field(default=None, description="The value when none is given.")
    description: str | None = Field(default=None, description="What to give, for people.")


class Output(Model):
    """A declared output of the workflow."""

    type: OutputType = Field(default="any", description="The type the value must have.")
    value: Data = Field(
        default=None,
        description="Where it comes from; absent: the last completed step's output of that name.",
    )
    description: str | None = Field(default=None, description="What it is, for people.")


class Context(Model):
    """Values beside the inputs: `readonly` are constants, `mutable` change by `set`."""

    readonly: dict[Identifier, Json] = Field(default_factory=dict, description="Constants.")
    mutable: dict[Identifier, Json] = Field(
        default_factory=dict, description="What `set` may change, with first values."
    )


class Defaults(Model):
    """What steps that do work have unless they say otherwise."""

    timeout: Duration | None = Field(default=None, description="Limit for one attempt.")
    retry: Retry | None = Field(default=None, description="How often to try.")
    on_error: OnErrorField | None = Field(default=None, description="What a failure means.")


class ErrorHandling(Model):
    """Error handling apart from the steps: for all (`default`) and by step id (`per_step`)."""

    default: OnErrorField | None = Field(default=None, description="For every leaf step.")
    per_step: dict[Identifier, OnErrorField] = Field(
        default_factory=dict, description="By step id; beats `default`."
    )


class Concurrency(Model):
    """How many executions with one key may run at once."""

    key: Text | None = Field(
        default=None,
        description="Executions with the same text share the limit; absent: all of the workflow.",
    )
    limit: Annotated[int, Field(ge=1)] = Field(default=1, description="How many may run.")
    overflow: Literal["queue", "reject", "replace"] = Field(
        default="queue", description="What happens to one too many."
    )
    hold: Literal["execution", "running"] = Field(
        default="execution", description="Whether a waiting execution keeps its slot."
    )


class ResourceLimits(StepLimits):
    """Bounds for the whole execution; its steps share memory and CPU."""

    timeout: Duration | None = Field(default=None, description="Waiting does not count.")


class Budget(Model):
    """What the agents of an execution may spend."""

    tokens: Annotated[int, Field(ge=1)] | None = Field(default=None, description="In and out.")
    usd: float | None = Field(default=None, description="US dollars.")
    on_exceeded: Literal["halt", "ask"] = Field(default="halt", description="What happens then.")


class Panic(Model):
    """How an execution is restarted after a failure of the system, not of a step."""

    max_restarts: Annotated[int, Field(ge=0)] = Field(default=3, description="In total.")
    delay: Duration = Field(default=5.0, description="Before the first restart.")
    backoff: Literal["exponential", "linear", "fixed"] = Field(
        default="exponential", description="How the delay grows."
    )


class Workspace(Model):
    """Where steps read and write files."""

    mode: Literal["folder", "snapshot", "shared"] = Field(
        default="folder",
        description="folder: the current folder. snapshot: a folder of the execution's own, "
        "empty at first, that follows it to other machines. shared: the operator's mount.",
    )
    ignore: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], LAX] = Field(
        default=(), description="With `snapshot`: names, or paths with `*`, that do not follow."
    )


class Workflow(Model):
    """The whole definition; `digest` identifies its content."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$", max_length=100)] = Field(
        description="A slug: lower-case letters, digits, - _ ."
    )
    version: Annotated[str, Field(min_length=1, max_length=50)] = Field(
        default="1", description="Text; immutable once registered."
    )
    description: str | None = Field(default=None, description="What the workflow is for.")
    inputs: dict[Identifier, Input] = Field(default_factory=dict, description="What it takes.")
    outputs: dict[Identifier, Output] = Field(default_factory=dict, description="What it gives.")
    context: Context = Field(default_factory=Context, description="Constants and variables.")
    defaults: Defaults = Field(default_factory=Defaults, description="For working steps.")
    error_handling: ErrorHandling = Field(
        default_factory=ErrorHandling, description="Error handling apart from the steps."
    )
    concurrency: Concurrency | None = Field(default=None, description="Executions at once.")
    resource_limits: ResourceLimits | None = Field(default=None, description="Bounds.")
    budget: Budget | None = Field(default=None, description="What agents may spend.")
    panic: Panic | None = Field(default=None, description="Restarts after a system failure.")
    triggers: Triggers = Field(default=(), description="What starts it.")
    notifications: Notifications = Field(default=(), description="Whom its executions tell.")
    workspace: Workspace = Field(default_factory=Workspace, description="Where files are.")
    steps: Block = Field(description="What it does, in order.")

    _document: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def written(self, document: Mapping[str, Any]) -> None:
        """Keep the definition as its author wrote it; the loader's business."""
        self._document = document

    @property
    def document(self) -> Mapping[str, Any]:
        """The definition as plain JSON, as it was written; loads to the same workflow."""
        return self._document

    @cached_property
    def digest(self) -> str:
        """SHA-256, lower-case hex, of the canonical JSON of the document."""
        canonical = orjson.dumps(self.document, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()
