"""A definition as what a fork walks along: lists of steps, and the lists inside a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..binding import BoundStep
from ..plan import BlockPlan, plan
from ..program import Program
from ..rollback import WAY
from ..step import Family

Key = tuple[str, str | None]


class Child(Protocol):
    """A program that a `workflow` step names, with those that its own steps name."""

    @property
    def program(self) -> Program: ...

    @property
    def children(self) -> Mapping[Key, Child]: ...


class List:
    """One list of a definition. `before` says what each step waits for; empty: file order."""

    def __init__(self, block: BlockPlan, children: Mapping[Key, Child]) -> None:
        self.steps = {bound.id: bound for bound in block.steps}
        self.before = block.before
        self._block = block
        self._children = children
        self._inner: dict[str, tuple[List, ...]] = {}

    @classmethod
    def root(cls, program: Program, children: Mapping[Key, Child]) -> List:
        # One node for each step: which steps could be fused does not matter here.
        return cls(plan(program, lambda _: Family.CONTROL, fuse=False), children)

    def inner(self, id: str) -> tuple[List, ...]:
        """The lists inside a step, a branch of a `parallel` being one; none: it does work."""
        if id not in self._inner:
            self._inner[id] = tuple(self._found(self.steps[id]))
        return self._inner[id]

    def _found(self, bound: BoundStep) -> list[List]:
        step: Any = bound.step
        if bound.kind == "workflow":
            child = self._children[step.workflow, step.version]
            return [List.root(child.program, child.children)]
        block = self._block.singles.get(bound.id, self._block)
        return [
            List(inside, self._children)
            for way in bound.blocks
            if way != WAY
            for inside in block.inner[bound.id, way]
        ]


def waits_for(bound: BoundStep) -> str | None:
    """What a `parallel` waits for: all, any, none of its branches; None for other kinds."""
    return getattr(bound.step, "wait_for", None)


def in_turn(bound: BoundStep) -> bool:
    """Whether it runs its list again and again, each time after the last."""
    return bool(bound.step.local) and bound.kind != "foreach"
