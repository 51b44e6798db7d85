"""What came of the steps of an execution, and what things cost."""

from __future__ import annotations

from enum import Enum

import strawberry

from ...graphs import execution as records
from .fields import value
from .scalars import Json, Time, time


@strawberry.enum(description="Where an execution, or a step of it, is in its life.")
class Status(Enum):
    QUEUED = value("queued", "It waits for a worker or a slot.")
    RUNNING = value("running", "It is being driven.")
    WAITING = value("waiting", "For a person, an event or a time.")
    PAUSED = value("paused", "Somebody paused it.")
    COMPLETED = value("completed", "It ended well.")
    FAILED = value("failed", "It ended with an error.")
    CANCELLED = value("cancelled", "Somebody stopped it.")
    SKIPPED = value("skipped", "A step that was not needed.")
    COMPENSATED = value("compensated", "A step that was undone.")


@strawberry.type(description="Why an execution or a step failed.")
class Failure:
    code: str = strawberry.field(description="Stable, for programs.")
    message: str = strawberry.field(description="What happened, where, and what to do.")
    path: str = strawberry.field(description="The step it began at; empty: at none.")

    @classmethod
    def of(cls, found: records.Failure | None) -> Failure | None:
        if found is None:
            return None
        return cls(code=found.code, message=found.message, path=found.path)


@strawberry.type(description="What language models used.")
class Cost:
    input_tokens: float = strawberry.field(description="Tokens that were read.")
    output_tokens: float = strawberry.field(description="Tokens that were written.")
    calls: int = strawberry.field(description="How often a model was called.")
    usd: float | None = strawberry.field(description="US dollars, where a price is known.")

    @classmethod
    def of(cls, found: records.Cost) -> Cost:
        return cls(
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
            calls=found.calls,
            usd=found.usd,
        )


@strawberry.type(description="The outcome of one step at one path.")
class StepResult:
    path: str = strawberry.field(description="Where it is: `build`, `each[3].send`, `fix~2`.")
    step: str = strawberry.field(description="The id of the step in the definition.")
    kind: str = strawberry.field(description="The kind of step, as `shell`.")
    status: Status = strawberry.field(description="How it ended.")
    output: Json | None = strawberry.field(description="Its main value.")
    outputs: Json = strawberry.field(description="Its named values.")
    artifacts: Json = strawberry.field(description="The files it left.")
    error: Failure | None = strawberry.field(description="Why it failed.")
    attempts: int = strawberry.field(description="How often it was tried.")
    started_at: Time | None = strawberry.field(description="When the first attempt began.")
    completed_at: Time | None = strawberry.field(description="When it ended.")
    cost: Cost | None = strawberry.field(description="What its models used.")
    cached: bool = strawberry.field(description="Whether the result is one of before.")
    reason: str | None = strawberry.field(description="Why it was skipped.")
    seq: int = strawberry.field(description="Its place in the journal, from 1.")

    @classmethod
    def of(cls, found: records.StepResult) -> StepResult:
        return cls(
            path=found.path,
            step=found.step,
            kind=found.kind,
            status=Status(found.status.value),
            output=None if found.output is None else Json(found.output),
            outputs=Json(found.outputs),
            artifacts=Json(found.artifacts),
            error=Failure.of(found.error),
            attempts=found.attempts,
            started_at=time(found.started_at),
            completed_at=time(found.completed_at),
            cost=None if found.cost is None else Cost.of(found.cost),
            cached=found.cached,
            reason=found.reason,
            seq=found.seq,
        )
