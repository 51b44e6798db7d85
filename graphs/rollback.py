"""Compensation: every completed step that says how is undone, the latest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .binding import BoundStep
from .errors import AssayError
from .execution import Failure, Status, StepResult
from .scope import Scope

if TYPE_CHECKING:
    from .engine import Frame, Run

WAY = ("rollback",)


@dataclass(frozen=True, slots=True)
class Undo:
    """A completed step that has compensating steps, where it ran and what it saw there."""

    bound: BoundStep
    result: StepResult
    frame: Frame
    scope: Scope


async def roll_back(run: Run, failure: Failure) -> tuple[str, ...]:
    """Compensate by descending `seq`; returns the paths whose compensation failed.

    The walk goes on after a failed compensation. What a compensation does is journaled
    like any other step, under `<path>/rollback`.
    """
    failed: list[str] = []
    for undo in sorted(run.undos, key=lambda u: -u.result.seq):
        if not await _compensate(undo, failure):
            failed.append(undo.result.path)
    run.undos.clear()
    return tuple(failed)


async def _compensate(undo: Undo, failure: Failure) -> bool:
    path, frame = undo.result.path, undo.frame
    (block,) = frame.block.inner[undo.bound.id, WAY]
    scope = undo.scope.extended(
        results={undo.bound.id: undo.result.state()},
        local={"output": undo.result.output, "error": failure.to_dict()},
    )
    inside = replace(frame, block=block, prefix=f"{path}/rollback.", scope=scope)
    try:
        outcome = await inside.drive()
    except AssayError:
        return False
    if outcome.failure is not None:
        return False
    await frame.run.journal.record(replace(undo.result, status=Status.COMPENSATED))
    return True
