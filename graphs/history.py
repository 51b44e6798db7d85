"""What a journal says, folded: the ground that a resume, a fork or a reader stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .execution import Failure, StepResult


@dataclass(frozen=True, slots=True)
class Decision:
    """A value that steered (`when`, `condition`, `items` …), pinned under its step's path."""

    path: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Tried:
    """How far a step has come that has no result yet: attempts that failed, the next one's
    time (seconds since 1970), the last failure, the `files` that they left (as those of a
    `StepResult`), and the `seq` of the record of the last one."""

    attempts: int
    next_at: float
    error: Failure
    files: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Begun:
    """A step that has begun: when (RFC 3339), and what it is."""

    at: str
    kind: str
    step: str


@dataclass(frozen=True, slots=True)
class History:
    """A journal as loaded.

    `results` are by path, in order of `seq`; `decisions` by path and name; `tried` and
    `intents` (effects that were about to happen) by path, for steps without a result.
    `begun` is how the step at a path first began, `current` the one that began last and has
    not ended, `seq` the last number.
    """

    results: Mapping[str, StepResult] = field(default_factory=dict)
    decisions: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    tried: Mapping[str, Tried] = field(default_factory=dict)
    intents: frozenset[str] = frozenset()
    begun: Mapping[str, Begun] = field(default_factory=dict)
    current: str | None = None
    seq: int = 0
