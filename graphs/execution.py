"""What came of a workflow and of each of its steps. Plain frozen data that knows nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from .lease import SlotRequest

HERE = "langgraph"
"""The name of the provider whose steps run in this process."""


class Status(StrEnum):
    """The lifecycle of an execution; a step may also be `skipped` or `compensated`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    COMPENSATED = "compensated"

    @property
    def terminal(self) -> bool:
        """Nothing can follow this status, save `compensated`."""
        return self not in _OPEN


_OPEN = frozenset({Status.QUEUED, Status.RUNNING, Status.WAITING, Status.PAUSED})


class Exit(StrEnum):
    """How a step may end more than itself."""

    STOP = "stop"  # the innermost workflow completes at once
    SKIP = "skip"  # the rest of the step's list is skipped


def timestamp() -> str:
    """The time now, UTC, RFC 3339 with microseconds."""
    second, micros = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(second)}.{micros:06}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def new_id() -> str:
    """A UUIDv7 (RFC 9562): sortable by the millisecond it was made in."""
    milliseconds = time.time_ns() // 1_000_000
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What language models used: tokens, calls, and US dollars where a price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    usd: float | None = None

    def __add__(self, other: Cost) -> Cost:
        known = [c.usd for c in (self, other) if c.usd is not None]
        return Cost(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.calls + other.calls,
            sum(known) if known else None,
        )

    def at(self, usd: float) -> Cost:
        return replace(self, usd=usd)

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step failed: a stable `code`, a message with its place, the path it began at."""

    code: str
    message: str
    path: str = ""
    rollback: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "path": self.path}


@dataclass(frozen=True, slots=True)
class StepResult:
    """The terminal outcome of one step at one path.

    `outputs` are its named values, `artifacts` the files it left, `context` the mutable
    context it wrote, `exit` what it ended beside itself. `seq` is its place in the journal,
    0 until it is there. Times are RFC 3339 in UTC. `files` is what it changed in a workspace
    that is a `snapshot`, in the form of `workspace.tree`.
    """

    path: str
    step: str
    kind: str
    status: Status
    output: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    attempts: int = 1
    started_at: str = ""
    completed_at: str = ""
    cost: Cost | None = None
    cached: bool = False
    cache_key: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    exit: Exit | None = None
    reason: str | None = None
    seq: int = 0
    files: Mapping[str, Any] = field(default_factory=dict)

    def with_seq(self, seq: int) -> StepResult:
        # Not `replace`: it is slow enough to show where a step does nothing.
        return StepResult(
            self.path,
            self.step,
            self.kind,
            self.status,
            self.output,
            self.outputs,
            self.artifacts,
            self.error,
            self.attempts,
            self.started_at,
            self.completed_at,
            self.cost,
            self.cached,
            self.cache_key,
            self.context,
            self.exit,
            self.reason,
            seq,
            self.files,
        )

    def state(self) -> dict[str, Any]:
        """What expressions and LangGraph's channel see of it; JSON only."""
        return {
            "path": self.path,
            "status": self.status.value,
            "output": self.output,
            "outputs": dict(self.outputs),
            "artifacts": dict(self.artifacts),
            "error": None if self.error is None else self.error.to_dict(),
            "attempts": self.attempts,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON; `from_dict` reads it back."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["status"] = self.status.value
        data["error"] = None
        if self.error is not None:
            data["error"] = {**self.error.to_dict(), "rollback": self.error.rollback}
        data["cost"] = None if self.cost is None else self.cost.to_dict()
        data["exit"] = None if self.exit is None else self.exit.value
        if not self.files:
            del data["files"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        given = dict(data)
        given["status"] = Status(given["status"])
        given["error"] = Failure(**given["error"]) if given.get("error") else None
        given["cost"] = Cost(**given["cost"]) if given.get("cost") else None
        given["exit"] = Exit(given["exit"]) if given.get("exit") else None
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one workflow version; its id is LangGraph's `thread_id`.

    `steps` holds the results by path, in the order they entered the journal; a listing
    leaves it empty. `notices` are what the execution must say of itself, such as that
    isolation is absent or that a demo model answered. `origin` says what it was forked from
    (`execution_id`, `path`, `how`). Higher `priority` runs first. `restarts` counts the
    failures of the system that it has survived, `paused` says that no step may begin, whatever
    the status is by now, `worked` the seconds that it did not wait.
    `pins` are the digests of the workflows that
    its steps name, by `digest of the one that names/name@version`; `workspace` is the folder
    it works in. `provider` is the name of what executes it; `profile` the security profile that
    no step of it exceeds (empty: any), for whoever began it may no more. `moved` says of one that
    another store drives now where that is (`to`), and how it left.
    """

    id: str
    workflow: str
    version: str
    digest: str
    status: Status
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    current_step: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    notices: tuple[str, ...] = ()
    origin: Mapping[str, Any] | None = None
    priority: int = 0
    slot: SlotRequest | None = None
    restarts: int = 0
    paused: bool = False
    worked: float = 0.0
    pins: Mapping[str, str] = field(default_factory=dict)
    workspace: str = ""
    fuse: bool = True
    provider: str = HERE
    profile: str = ""
    firing: str = ""
    created_at: str = ""
    updated_at: str = ""
    started_at: str | None = None
    completed_at: str | None = None
    moved: Mapping[str, Any] | None = None
    steps: Mapping[str, StepResult] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The state record that users read: names are theirs (REQUIREMENTS F048)."""
        return {
            "execution_id": self.id,
            "workflow_id": f"{self.workflow}@{self.version}",
            "workflow_name": self.workflow,
            "workflow_version": self.version,
            "digest": self.digest,
            "provider": self.provider,
            "status": self.status.value,
            "current_step": self.current_step,
            "inputs": dict(self.inputs),
            "outputs": dict(self.outputs),
            "artifacts": dict(self.artifacts),
            "error": None if self.error is None else self.error.to_dict(),
            "cost": self.cost.to_dict(),
            "notices": list(self.notices),
            "origin": self.origin,
            "firing": self.firing or None,
            "priority": self.priority,
            "restarts": self.restarts,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "steps": {path: _public(result) for path, result in self.steps.items()},
        }

    def given(self) -> dict[str, Any]:
        """The part that never changes, as JSON."""
        data = {name: getattr(self, name) for name in _GIVEN}
        data["slot"] = None if self.slot is None else self.slot.to_dict()
        return data

    def row(self) -> dict[str, Any]:
        """The part that changes, steps apart, as JSON."""
        data = {name: getattr(self, name) for name in _CHANGING}
        data["status"] = self.status.value
        data["error"] = None
        if self.error is not None:
            data["error"] = {**self.error.to_dict(), "rollback": self.error.rollback}
        data["cost"] = self.cost.to_dict()
        data["notices"] = list(self.notices)
        return data

    @classmethod
    def from_row(cls, given: Mapping[str, Any], row: Mapping[str, Any]) -> Self:
        """What `given` and `row` made, once more."""
        data = {**given, **row}
        data["status"] = Status(data["status"])
        data["slot"] = SlotRequest(**data["slot"]) if data.get("slot") else None
        data["error"] = Failure(**data["error"]) if data.get("error") else None
        data["cost"] = Cost(**data["cost"])
        data["notices"] = tuple(data["notices"])
        return cls(**data)


_GIVEN = (
    *("id", "workflow", "version", "digest", "inputs", "env"),
    *("origin", "priority", "slot", "pins", "workspace", "fuse", "provider", "profile"),
    *("firing", "created_at"),
)
_CHANGING = tuple(f.name for f in fields(Execution) if f.name not in (*_GIVEN, "steps"))


def _public(result: StepResult) -> dict[str, Any]:
    data = result.to_dict()
    for internal in ("path", "seq", "exit", "context", "files"):
        data.pop(internal, None)
    data["error"] = None if result.error is None else result.error.to_dict()
    return data
