"""A workflow whose program text is compiled and whose names are checked: what a plan is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .binding import BoundField, BoundStep
from .errors import Problem
from .trigger import BoundTrigger
from .workflow import Workflow


@dataclass(frozen=True, slots=True)
class Program:
    """`steps` are the root list; `outputs` the declared outputs that have a `value`.

    `slot` is the key of `concurrency`, if it has one. `env` names every variable that is
    read, `warnings` what is doubtful but runs.
    """

    workflow: Workflow
    steps: tuple[BoundStep, ...]
    outputs: Mapping[str, BoundField] = field(default_factory=dict)
    env: frozenset[str] = frozenset()
    slot: BoundField | None = None
    warnings: tuple[Problem, ...] = ()
    triggers: tuple[BoundTrigger, ...] = ()
