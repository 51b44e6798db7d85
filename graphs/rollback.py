"""What a compensation will need, pinned in the journal when its step completes.

So the walk back can begin, or go on, in a process that never ran the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from .binding import BoundField, BoundStep, Filled, Formula, Reference, Tree
from .execution import StepResult
from .scope import Scope

if TYPE_CHECKING:
    from .engine import Frame

WAY = ("rollback",)

UNDO = "undo"
"""The decision that holds what the compensation of a completed step will see."""


def undo(bound: BoundStep, frame: Frame, scope: Scope) -> dict[str, Any]:
    """As JSON: which definition the step is in, and what its compensating steps mention.

    Of earlier steps it has the paths: their results are in the journal.
    """
    read = set(_references(bound.blocks[WAY]))
    roots = {path[0] for path in read}
    mentioned = frozenset[str]().union(*(s.mentions for s in bound.blocks[WAY]))
    states = {i: scope.results[i] for i in sorted(mentioned) if i in scope.results}
    known = frame.run.journal.results
    return {
        "step": bound.id,
        "within": [list(name) for name in frame.within_workflows],
        "inputs": _of("inputs", scope.inputs, read) if frame.within_workflows else None,
        "context": _of("context", scope.context, read),
        "local": {name: value for name, value in scope.local.items() if name in roots},
        "results": {
            i: state["path"] if state.get("path") in known else dict(state)
            for i, state in states.items()
        },
    }


def results(pinned: Mapping[str, Any], known: Mapping[str, StepResult]) -> dict[str, Any]:
    """The states of the earlier steps that a pinned compensation reads, by id."""
    return {
        id: known[state].state() if isinstance(state, str) else state
        for id, state in pinned["results"].items()
    }


def _of(root: str, values: Mapping[str, Any], read: Set[tuple[str, ...]]) -> dict[str, Any]:
    """The values that are mentioned as `root.name`; all of them where `root` itself is."""
    if (root,) in read:
        return dict(values)
    return {name: value for name, value in values.items() if (root, name) in read}


def _references(steps: Sequence[BoundStep]) -> Iterator[tuple[str, ...]]:
    """What the steps and those inside them mention, each in its first two parts."""
    for bound in steps:
        for field in bound.fields.values():
            yield from _mentions(field)
        for inner in bound.blocks.values():
            yield from _references(inner)


def _mentions(field: BoundField) -> Iterator[tuple[str, ...]]:
    match field:
        case Formula(expression):
            yield from (reference.path[:2] for reference in expression.references)
        case Reference(path):
            yield path[:2]
        case Filled(pieces):
            for piece in pieces:
                if isinstance(piece, Formula):
                    yield from _mentions(piece)
        case Tree(entries):
            for entry in entries.values() if isinstance(entries, Mapping) else entries:
                yield from _mentions(entry)
