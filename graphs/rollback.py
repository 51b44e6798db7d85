"""What a compensation will need, pinned in the journal when its step completes.

So the walk back can begin, or go on, in a process that never ran the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .binding import BoundStep
from .scope import Scope

if TYPE_CHECKING:
    from .engine import Frame

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
