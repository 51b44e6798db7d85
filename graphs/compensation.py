"""The walk back: every completed step that says how is undone, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .engine import frame_within
from .errors import AssayError
from .execution import Failure, Status, StepResult
from .rollback import UNDO, WAY, results
from .run import Run


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
    frame = frame_within(run, names, pinned["inputs"])
    scope = replace(frame.scope, context=pinned["context"]).extended(
        results={**results(pinned, run.journal.results), pinned["step"]: result.state()},
        local={**pinned["local"], "output": result.output, "error": failure.to_dict()},
    )
    block = frame.block.holding(pinned["step"]).inner[pinned["step"], WAY][0]
    inside = replace(frame, block=block, prefix=f"{result.path}/rollback.", scope=scope)
    try:
        outcome = await inside.drive()
    except AssayError:
        return False
    own = [outcome.results[s.id] for s in block.plan.steps if s.id in outcome.results]
    if outcome.failure is not None or any(r["status"] == Status.CANCELLED for r in own):
        return False
    await run.journal.record(replace(result, status=Status.COMPENSATED))
    return True
