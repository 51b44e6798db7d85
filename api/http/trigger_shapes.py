"""What REST takes and gives of triggers, as OpenAPI describes it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field, StrictBool

from ...graphs.firing import FiringStatus
from .shapes import AT, Given, Json


class Starter(BaseModel):
    """A trigger."""

    id: str = Field(examples=["greet.mornings"])
    workflow: str
    version: str | None = Field(description="Null: the newest.")
    type: str = Field(examples=["cron"])
    document: dict[str, Json] = Field(description="As its author wrote it.")
    declared: bool = Field(description="It is of the definition, and goes with it.")
    enabled: bool
    by: str = Field(description="The id of whoever made it.")
    profile: str = Field(description="What nothing exceeds that it starts; empty: anything goes.")
    created_at: str
    next_at: str | None = Field(description="When the clock fires it.")
    reason: str = Field(description="What failed last, or why it switched itself off; or nothing.")


class Schedule(Starter):
    """A trigger that the clock fires."""

    next: list[str] = Field(description="Its next due times.")
    says: str = Field(description="The schedule in words.")


class NewTrigger(Given):
    workflow: str = Field(max_length=100)
    version: str | None = Field(default=None, min_length=1, max_length=50)
    trigger: dict[str, Json] = Field(description="As in `triggers` of a definition.")


class Switch(Given):
    enabled: StrictBool


class Firings(Given):
    """What a trigger is fired with."""

    payload: Json = None
    attributes: dict[str, str] = Field(default_factory=dict, max_length=100)


class Fired(BaseModel):
    """One time that a trigger fired: it starts one execution at most."""

    id: str
    trigger: str
    workflow: str
    at: str
    status: FiringStatus
    execution_id: str = Field(description="Of what it starts, if it does.")
    reason: str = Field(description="Why nothing began, if nothing did.")
    into: str = Field(description="The firing that stands for it, if it was merged.")
    payload: Json
    attributes: dict[str, str]
    by: str


class Due(Given):
    """A range of time."""

    start: AwareDatetime = Field(examples=[AT])
    end: AwareDatetime = Field(examples=[AT])
