"""How an execution ends: its outputs, its compensation, its last row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .compensation import roll_back
from .engine import root
from .errors import AssayError
from .event import EventType
from .execution import Cost, Execution, Failure, Status, timestamp
from .files import Files
from .inputs import declared_outputs
from .lease import Message
from .limits import overtime
from .run import Outcome, Run


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an execution ends, before anything is compensated."""

    status: Status
    outputs: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    def pin(self, run: Run) -> Verdict:
        """Make it stay so, once there is something to compensate, whatever comes."""
        if self.failure is not None and self.failure.rollback:
            told = {**self.failure.to_dict(), "rollback": True}
            run.journal.decide("", OUTCOME, lambda: {"status": self.status.value, "failure": told})
        return self

    @classmethod
    def pinned(cls, run: Run) -> Verdict | None:
        """What was decided before the execution was interrupted."""
        known = run.journal.decided("", OUTCOME)
        if known is None:
            return None
        return cls(Status(known["status"]), failure=Failure(**known["failure"]))


OUTCOME = "outcome"
"""The decision, at the path of the execution itself, that says how it ends: from then on it is
only compensated."""


def stopped(run: Run, message: Message) -> Verdict:
    """Somebody wants it to end. Compensation is only for those who want it by default."""
    said = message.data.get("reason")
    run.journal.consume(message.id)
    why = "the execution was stopped" + (f": {said}" if said else "")
    failure = Failure("cancelled", why, rollback=rolls_back(run))
    return Verdict(Status.CANCELLED, failure=failure)


def worked_too_long(run: Run) -> Verdict:
    limits = run.definition.program.workflow.resource_limits
    assert limits is not None
    assert limits.timeout is not None
    error = overtime(limits.timeout)
    return Verdict(
        Status.FAILED, failure=Failure(error.code, error.message, rollback=rolls_back(run))
    )


def concluded(run: Run, outcome: Outcome) -> Verdict:
    """The end of a list that ran to its end. Raises `AssayError`."""
    if outcome.failure is not None:
        return Verdict(Status.FAILED, failure=outcome.failure)
    return Verdict(Status.COMPLETED, outputs_of(run, outcome))


def broken(error: Exception) -> Verdict:
    """Whatever went wrong, the execution must not be left looking as if it ran."""
    if isinstance(error, AssayError):
        return Verdict(Status.FAILED, failure=Failure(error.code, error.message))
    message = f"{type(error).__name__}: {error}"
    return Verdict(Status.FAILED, failure=Failure("unexpected", message))


def outputs_of(run: Run, outcome: Outcome) -> dict[str, Any]:
    token = Files.enter(run, "")
    try:
        scope = root(run, run.definition, run.execution.inputs).scope
        return declared_outputs(run.definition.program, scope, outcome, run.journal, "")
    finally:
        Files.leave(token)


def rolls_back(run: Run) -> bool:
    default = run.definition.program.workflow.error_handling.default
    return default is not None and default.strategy == "rollback"


async def rolled_back(run: Run, failure: Failure) -> Failure:
    broken = await roll_back(run, failure)
    if not broken:
        return failure
    return replace(failure, message=f"{failure.message}\nnot compensated: {', '.join(broken)}")


def ended(run: Run, verdict: Verdict, failure: Failure | None, worked: float) -> Execution:
    """The last row; `failure` is the verdict's, with what could not be compensated."""
    results = sorted(run.journal.results.values(), key=lambda r: r.seq)
    artifacts = {f"{r.path}.{name}": kept for r in results for name, kept in r.artifacts.items()}
    return replace(
        run.execution,
        status=verdict.status,
        outputs=verdict.outputs,
        artifacts=artifacts,
        error=failure,
        current_step=None,
        cost=sum((r.cost for r in results if r.cost is not None), Cost()),
        notices=run.notices,
        worked=worked,
        completed_at=timestamp(),
    )


ENDINGS = {
    Status.COMPLETED: EventType.EXECUTION_COMPLETED,
    Status.FAILED: EventType.EXECUTION_FAILED,
    Status.CANCELLED: EventType.EXECUTION_CANCELLED,
}


async def let_go(run: Run) -> None:
    """Give the lease of an execution that has ended back; what came too late for it is dropped."""
    store = run.services.store
    while not await run.journal.release():
        mail = await run.journal.patiently(lambda: store.inbox(store.worker))
        late = [message for message in mail if message.execution_id == run.execution.id]
        for message in late:
            run.journal.consume(message.id)
        if not late:
            return
