"""What a store keeps, as plain frozen data: the currency of the `Store` port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .execution import Execution
from .lease import Lease
from .question import Question, Signal
from .verdicts import Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """Some consecutive records of a journal, encoded by `records`.

    `first` and `last` are the lowest and the highest `seq` in it, counted from 1; the next
    entry begins with `last` + 1.
    """

    first: int
    last: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of some execution; `cursor` is for whoever has read all up to this one."""

    execution_id: str
    entry: Entry
    cursor: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that becomes durable at once for one execution.

    `execution` is the new row when status, outputs or cost changed, else None. `questions`
    are asked, answered or withdrawn; `consumed` are ids of inbox messages that are dealt
    with; `signals` are events for whoever waits for them; `artifacts` are files that steps
    kept; `verdicts` what was said of agents' answers. `release` gives the lease back.
    """

    lease: Lease
    entry: Entry | None = None
    execution: Execution | None = None
    questions: Sequence[Question] = ()
    consumed: Sequence[int] = ()
    signals: Sequence[Signal] = ()
    artifacts: Sequence[ArtifactInfo] = ()
    release: bool = False
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a listing, and the cursor after which the next page begins (None: no more)."""

    items: Sequence[T]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """A registered version, without its document."""

    name: str
    version: str
    digest: str
    description: str | None
    registered_at: str


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """A file that a step kept: its name, its path in the workspace, its bytes by SHA-256."""

    execution_id: str
    path: str
    name: str
    file: str
    sha256: str
    size: int
    kept_at: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: a person, a service, an API key (only the hash of it is kept).

    No step of what they begin exceeds the security profile `profile`; empty: that of the role.
    """

    id: str
    name: str
    role: str
    scopes: Sequence[str] = ()
    key_hash: str | None = None
    created_at: str = ""
    expires_at: str | None = None
    profile: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, whether it was allowed, and the rule that decided."""

    at: str
    principal: str
    action: str
    target: str
    allowed: bool = True
    rule: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
