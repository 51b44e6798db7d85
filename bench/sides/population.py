"""Who takes part in the simulation: workers, executions, and the keys that these share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Key:
    """A concurrency key: one document."""

    limit: int
    held: int = 0
    version: int = 0
    free_at: float = 0.0
    writes: int = 0
    waiting: deque[Execution] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Execution:
    number: int
    step: float
    left: int
    key: Key | None
    claimable: float = -1.0  # since when
    version: int = 0
    worker: Worker | None = None
    since: float = 0.0
    drives: list[tuple[int, float, float]] = field(default_factory=list)
    ends: int = 0
    orphaned: float = -1.0


@dataclass(slots=True)
class Grave:
    """A dead worker: `silent` since then for a lifetime, next looked at `at`."""

    worker: Worker
    silent: float
    at: float


@dataclass(slots=True, eq=False)
class Worker:
    number: int
    alive: bool = True
    driving: dict[Execution, None] = field(default_factory=dict)
    taking: int = 0
    most: int = 0
    sweeping: bool = False
    swept: int = 0
    freed: bool = False
    listening: bool = False
    unsure: bool = False
    suspects: dict[int, float] = field(default_factory=dict)
