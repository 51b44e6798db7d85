"""Which step an assertion sends its work back to, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .binding import BoundStep

REPAIR_ATTEMPTS = 3

AGENTIC = frozenset({"agent", "claude_code", "decide"})


def repair_target(bound: BoundStep, siblings: Sequence[BoundStep]) -> str | None:
    """The step that an assertion sends back: the one it names, or the nearest agentic before."""
    step: Any = bound.step
    if step.kind != "assert" or step.on_false != "repair":
        return None
    if step.repair is not None and step.repair.step is not None:
        return str(step.repair.step)
    nearest = None
    for sibling in siblings:
        if sibling.id == bound.id:
            break
        if sibling.kind in AGENTIC:
            nearest = sibling.id
    return nearest


def repair_attempts(step: Any) -> int:
    """How often the step that an assertion repairs may run in total; 0: it repairs none."""
    if step.kind != "assert" or step.on_false != "repair":
        return 0
    return int(step.repair.attempts) if step.repair is not None else REPAIR_ATTEMPTS
