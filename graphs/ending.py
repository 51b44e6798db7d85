"""How an execution ends: its outputs, its compensation, its last row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .compensation import roll_back
from .engine import root
from .event import EventType
from .execution import Cost, Execution, Failure, Status, timestamp
from .files import Files
from .inputs import declared_outputs
from .run import Outcome, Run


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


def ended(
    run: Run, status: Status, outputs: Mapping[str, Any], failure: Failure | None
) -> Execution:
    results = sorted(run.journal.results.values(), key=lambda r: r.seq)
    artifacts = {f"{r.path}.{name}": kept for r in results for name, kept in r.artifacts.items()}
    return replace(
        run.execution,
        status=status,
        outputs=outputs,
        artifacts=artifacts,
        error=failure,
        current_step=None,
        cost=sum((r.cost for r in results if r.cost is not None), Cost()),
        notices=run.notices,
        completed_at=timestamp(),
    )


ENDINGS = {
    Status.COMPLETED: EventType.EXECUTION_COMPLETED,
    Status.FAILED: EventType.EXECUTION_FAILED,
    Status.CANCELLED: EventType.EXECUTION_CANCELLED,
}
