"""Compensation: every completed step that says how is undone, the latest first.

What a compensation needs to see is pinned in the journal when its step completes, so that
the walk can begin, or go on, in a process that never ran the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .binding import BoundStep
from .errors import AssayError
from .execution import Failure, Status, StepResult
from .scope import Scope

if TYPE_CHECKING:
    from .engine import Frame, Run

WAY = ("rollback",)

UNDO = "undo"
"""The decision that holds what the compensation of a completed step will see."""


def undo(bound: BoundStep, frame: Frame, scope: Scope) -> dict[str, Any]:
    """As JSON: which definition the step is in, and what its compensating steps may read."""
    mentioned = frozenset[str]().union(*(s.mentions for s in bound.blocks[WAY]))
    return {
        "step": bound.id,
        "within": [list(name) for name in frame.within_workflows],
        "inputs": dict(scope.inputs) if frame.within_workflows else None,
        "context": dict(scope.context),
        "local": dict(scope.local),
        "results": {i: dict(scope.results[i]) for i in mentioned if i in scope.results},
    }


async def roll_back(run: Run, failure: Failure) -> tuple[str, ...]:
    """Compensate by descending `seq`; returns the paths whose compensation failed.

    The walk goes on after a failed compensation. What a compensation does is journaled
    like any other step, under `<path>/rollback`. What a fork inherited stays as it is.
    """
    failed: list[str] = []
    done = [r for r in run.journal.results.values() if r.status is Status.COMPLETED]
    for result in sorted(done, key=lambda r: -r.seq):
        pinned = run.journal.decided(result.path, UNDO)
        if pinned is not None and not await _compensate(run, result, pinned, failure):
            failed.append(result.path)
    return tuple(failed)


async def _compensate(
    run: Run, result: StepResult, pinned: Mapping[str, Any], failure: Failure
) -> bool:
    names = [(name, version) for name, version in pinned["within"]]
    frame = run.frame_within(names, pinned["inputs"])
    scope = replace(frame.scope, context=pinned["context"]).extended(
        results={**pinned["results"], pinned["step"]: result.state()},
        local={**pinned["local"], "output": result.output, "error": failure.to_dict()},
    )
    block = frame.block.holding(pinned["step"]).inner[pinned["step"], WAY][0]
    inside = replace(frame, block=block, prefix=f"{result.path}/rollback.", scope=scope)
    try:
        outcome = await inside.drive()
    except AssayError:
        return False
    if outcome.failure is not None:
        return False
    await run.journal.record(replace(result, status=Status.COMPENSATED))
    return True
