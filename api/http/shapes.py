"""What REST takes and gives, as OpenAPI describes it."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from ...graphs.execution import Status
from ...triggers.cloudevents import as_sent
from ..access import Role

T = TypeVar("T")

Json = Any
ID = "0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f"
AT = "2026-11-21T15:38:43.120417Z"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Given(BaseModel):
    """What somebody sends: a field nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")


class Listed(BaseModel, Generic[T]):
    """A page. `next` is the `after` of the next one, null on the last."""

    items: list[T]
    next: str | None = Field(description="Give it as `after` for the next page; null: no more.")


class Fault(BaseModel):
    at: str = Field(description="Where: the way to a value, or a parameter.")
    message: str
    line: int | None = Field(default=None, description="In a definition, from 1.")
    column: int | None = Field(default=None, description="In a definition, from 1.")
    warning: bool | None = Field(default=None, description="It is doubtful, and not refused.")


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:assay:execution_not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(description="Stable: for programs.", examples=["execution_not_found"])
    detail: str = Field(description="What happened, and what to do.")
    problems: list[Fault] | None = Field(default=None, description="Each thing that is wrong.")


class Version(BaseModel):
    name: str = Field(examples=["greet"])
    version: str = Field(examples=["1"])
    digest: str = Field(description="SHA-256 of the canonical document.", examples=[DIGEST])
    description: str | None
    registered_at: str = Field(examples=[AT])


class Definition(BaseModel):
    name: str = Field(examples=["greet"])
    version: str = Field(examples=["1"])
    digest: str = Field(examples=[DIGEST])
    document: dict[str, Json] = Field(description="The definition as its author wrote it.")


class Registered(BaseModel):
    name: str = Field(examples=["greet"])
    version: str = Field(examples=["1"])
    digest: str = Field(examples=[DIGEST])


class Verdict(BaseModel):
    valid: bool
    problems: list[Fault] = Field(description="Every error and warning, in order of place.")


class Difference(BaseModel):
    name: str
    before: str = Field(description="The older version.")
    after: str = Field(description="The newer version.")
    same: bool
    diff: str = Field(description="A unified diff of both as canonical YAML.")


class Deleted(BaseModel):
    deleted: int = Field(description="How many are gone.")


class Failed(BaseModel):
    code: str
    message: str
    path: str


class Spent(BaseModel):
    input_tokens: int
    output_tokens: int
    calls: int
    usd: float | None


class StepState(BaseModel):
    step: str
    kind: str
    status: Status
    output: Json
    outputs: dict[str, Json]
    artifacts: dict[str, Json]
    error: Failed | None
    attempts: int
    started_at: str
    completed_at: str
    cost: Spent | None
    cached: bool
    cache_key: str | None
    reason: str | None


class Row(BaseModel):
    """An execution without its steps."""

    execution_id: str = Field(examples=[ID])
    workflow_id: str = Field(examples=["greet@1"])
    workflow_name: str = Field(examples=["greet"])
    workflow_version: str = Field(examples=["1"])
    digest: str = Field(examples=[DIGEST])
    status: Status
    current_step: str | None
    inputs: dict[str, Json]
    outputs: dict[str, Json]
    artifacts: dict[str, Json]
    error: Failed | None
    cost: Spent
    notices: list[str]
    origin: dict[str, Json] | None = Field(description="What it was forked from.")
    firing: str | None = Field(description="The firing that began it, if a trigger did.")
    priority: int
    restarts: int
    created_at: str = Field(examples=[AT])
    updated_at: str
    started_at: str | None
    completed_at: str | None


class State(Row):
    """An execution with its steps, by path."""

    steps: dict[str, StepState]


class Start(Given):
    """What to begin: a registered workflow, by name."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"workflow": "greet", "inputs": {}}]}
    )

    workflow: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Absent: the newest."
    )
    inputs: dict[str, Json] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = Field(
        default=0, description="Higher runs first."
    )


class Stop(Given):
    reason: Annotated[str, Field(max_length=1000)] = ""


class Retry(Given):
    path: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Begin at this step; absent: where it failed."
    )


class Fork(Given):
    path: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="The step or iteration to begin at.", examples=["build", "loop[3]"]
    )
    inputs: dict[str, Json] = Field(default_factory=dict, description="Replace those of a name.")


class Again(BaseModel):
    path: str
    step: str
    kind: str
    effects: Literal["pure", "idempotent", "once"]
    repeats: bool = Field(description="It has effects, and had begun: they may happen again.")
    was: Status | None = Field(description="How it ended; null: it did not.")


class ForkPlan(BaseModel):
    kept: int = Field(description="How many results are kept.")
    begins: list[str]
    again: list[Again] = Field(description="What runs again, in order.")
    says: list[str] = Field(description="The same in sentences.")


class Happened(BaseModel):
    """An event that is kept. `seq` counts those of an execution from 1, without gaps."""

    execution_id: str
    seq: int
    type: str = Field(examples=["StepCompleted"])
    path: str = Field(examples=["build"])
    at: str = Field(examples=[AT])
    data: dict[str, Json]


class Voice(BaseModel):
    value: Json
    by: str
    comment: str
    at: str
    approved: bool


class Asked(BaseModel):
    """What an execution waits for."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(examples=["q1f2e3d4c5b6a7988776"])
    execution_id: str
    path: str
    kind: Literal["approval", "event", "sleep", "retry", "once"]
    message: str
    answer_schema: Json = Field(alias="schema", description="JSON Schema of the answer's value.")
    due: float | None = Field(description="Seconds since 1970.")
    approvers: list[str]
    wanted: int
    event: str | None
    key: str | None
    asked_at: str
    status: Literal["open", "answered", "withdrawn"]
    votes: list[Voice]
    answer: Voice | None
    choices: dict[str, str]


class Answering(Given):
    value: Json = None
    approved: Annotated[
        StrictBool | None, Field(description="The verdict; an approval is not answered without.")
    ] = None
    comment: Annotated[str, Field(max_length=10_000)] = ""


class Sending(Given):
    """An event for whoever waits for it. The same `id` again changes nothing.

    A CloudEvent 1.0 in JSON is one as well: its `type` is the name, its `data` the payload, its
    `subject` the key, and `source` and `id` together are the id.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(examples=["paid"])
    key: Annotated[str, Field(max_length=200)] | None = None
    payload: Json = None
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_a_cloud_event(cls, given: Any) -> Any:
        return as_sent(given) if isinstance(given, dict) and "specversion" in given else given


class Sent(BaseModel):
    told: list[str] = Field(description="The executions that waited for it.")


class Holding(BaseModel):
    key: str
    execution_id: str
    workflow: str
    held: bool = Field(description="False: it waits for its turn.")
    since: str
    priority: int


class Feedback(Given):
    path: Annotated[str, Field(max_length=2000)] = Field(
        description="Of the step whose model has answered.", examples=["fix"]
    )
    passed: StrictBool = Field(description="Whether the answer was good.")
    comment: Annotated[str, Field(max_length=2000)] = Field(default="", description="Why.")


class Said(BaseModel):
    """What somebody said of an answer, and whose it was."""

    execution_id: str = Field(examples=[ID])
    path: str = Field(examples=["fix"])
    workflow: str
    step: str
    model: str = Field(examples=["openai:gpt-5-mini"])
    passed: bool
    by: str
    comment: str
    at: str = Field(examples=[AT])


class ModelFigures(BaseModel):
    """How one model fares at one prompt of one step."""

    workflow: str
    step: str
    model: str = Field(examples=["openai:gpt-5-mini"])
    prompt: str = Field(description="Digest of the prompt as it is written.")
    verdicts: int = Field(description="How many there are, of the newest 1,000.")
    rate: float = Field(description="The share of good answers.")
    lately: float = Field(description="The same, of the newest 20: whether it drifts.")
    tokens: float = Field(description="Of one answer, on average.")
    usd: float | None = Field(description="US dollars, likewise; null: nobody knows the price.")
    seconds: float = Field(description="Likewise.")
    since: str = Field(examples=[AT])
    until: str = Field(examples=[AT])


class Artifact(BaseModel):
    execution_id: str
    path: str = Field(description="The step that kept it.")
    name: str
    file: str = Field(description="Where it was in the workspace.")
    sha256: str = Field(examples=[DIGEST])
    size: int
    kept_at: str


class Memory(BaseModel):
    workflow: str
    key: str = Field(description="Whose it is, or what about.")
    at: str = Field(description="When it was last added to.")


class Invalidate(Given):
    prefix: Annotated[str, Field(max_length=1000)] = Field(
        default="", description="Of a step's path or key; empty: everything."
    )


SecurityProfile = Literal["restricted", "standard", "trusted"]


class Holder(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    role: Role
    scopes: list[str] = Field(description="Patterns of workflows; none: every one.")
    profile: SecurityProfile = Field(description="What no step of what it begins exceeds.")
    created_at: str
    expires_at: str | None


class NewKey(Given):
    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(examples=["ci"])
    role: Role
    scopes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)
    ] = Field(default_factory=list, examples=[["build-*"]])
    expires_in: Annotated[int, Field(ge=1, le=10 * 366 * 86400, strict=True)] | None = Field(
        default=None, description="Seconds; absent: never."
    )
    profile: SecurityProfile | None = Field(
        default=None,
        description="What no step of what it begins exceeds; not more than yours. "
        "Absent: trusted for an admin, else restricted.",
    )


class Issued(Holder):
    secret: str = Field(description="Told this one time.")


class Audited(BaseModel):
    id: int
    at: str
    principal: str
    action: str
    target: str
    allowed: bool
    rule: str
    data: dict[str, Json]


class Figures(BaseModel):
    """What the process that answers does."""

    worker: str
    running: int = Field(description="Executions that run here now.")
    taken: int = Field(description="Executions taken up here since it began.")
    draining: bool
