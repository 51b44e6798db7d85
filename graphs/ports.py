"""Every socket of the house on one page; a docstring says what an implementer owes.

Implementations live in the rooms above (`store`, `agents`) or beside (`steps`, `providers`)
and are introduced to each other by `api.app`. Everything that may wait is async.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .event import Event
from .execution import Cost, Execution, StepResult
from .step import Family, Step

if TYPE_CHECKING:
    from .call import Call, Yield
    from .workflow import Workflow

T = TypeVar("T")


class StepKind(Protocol):
    """One kind of step. Registered under the entry point group `assay.steps`.

    `model` adds the kind's fields to `Step`, with `type: Literal[...]` naming the kind and
    its aliases. `run` does one attempt: it raises `Retryable` or `Terminal` to fail, lets
    cancellation through, and never retries, caches or records: the runner does.
    """

    family: Family
    model: type[Step]

    async def run(self, call: Call) -> Yield: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """A value that steered (`when`, `condition`, `items` …), pinned under its step's path."""

    path: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that becomes durable at once for one execution, in journal order.

    `execution` is the new row when status, outputs or cost changed, else None.
    """

    execution_id: str
    results: Sequence[StepResult] = ()
    decisions: Sequence[Decision] = ()
    events: Sequence[Event] = ()
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class History:
    """An execution's journal as loaded: results by path, decisions by path and name."""

    results: Mapping[str, StepResult] = field(default_factory=dict)
    decisions: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a listing, and the cursor after which the next page begins (None: no more)."""

    items: Sequence[T]
    cursor: str | None = None


class Store(Protocol):
    """What outlives the process. Every write is durable when its call returns."""

    async def register(self, workflow: Workflow) -> None:
        """Keep a workflow under name and version, with its canonical document.

        The same digest again changes nothing; another digest raises `WorkflowConflict`.
        """

    async def keep(self, workflow: Workflow) -> None:
        """Keep the document for `workflow_by_digest`, without registering name and version."""

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """The document of that version, or of the latest registered; else `WorkflowNotFound`."""

    async def workflow_by_digest(self, digest: str) -> Mapping[str, Any]:
        """The document an execution is pinned to, else `WorkflowNotFound`."""

    async def workflows(self, *, after: str | None = None, limit: int = 100) -> Page[WorkflowInfo]:
        """Registered versions, by name and then newest first."""

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget the versions (all when None) that no open execution is pinned to; how many."""

    async def commit(self, commit: Commit) -> None:
        """Append to one execution's journal and update its row, all or nothing.

        A path or a `seq` that is there already raises `StoreError`: only one may write. Only
        a `compensated` result replaces the completed one at its path.
        """

    async def history(self, execution_id: str) -> History:
        """The journal, for a resume. An unknown id has an empty one."""

    async def execution(self, execution_id: str, *, steps: bool = True) -> Execution:
        """One execution, else `ExecutionNotFound`. A unique prefix of the id is enough."""

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        """Executions without their steps, newest first."""

    async def events(self, execution_id: str, *, after: int = 0, limit: int = 1000) -> Page[Event]:
        """Durable events with `seq` greater than `after`, in order."""

    async def cached(self, key: str) -> StepResult | None:
        """The result kept under the key, unless it has expired."""

    async def cache(self, key: str, result: StepResult, *, ttl: float | None) -> None:
        """Keep a completed result under the key, for `ttl` seconds or for good."""

    async def close(self) -> None:
        """Write what is pending and let go of files. Calling it twice is harmless."""


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """A registered version, without its document."""

    name: str
    version: str
    digest: str
    description: str | None
    registered_at: str


class Blobs(Protocol):
    """Bytes by their SHA-256 (lower-case hex). Putting the same bytes twice keeps one copy."""

    async def put(self, data: bytes | Path) -> str: ...

    async def get(self, sha256: str) -> bytes:
        """The bytes; raises `StoreError` when absent or when they no longer match the hash."""

    async def has(self, sha256: str) -> bool: ...

    def path(self, sha256: str) -> Path | None:
        """The file that holds the bytes on this machine, or None when there is none."""


class EventBus(Protocol):
    """Carries events to whoever listens in this process or, in the cloud, in others.

    Durable events are published after the commit that holds them, in order of `seq`.
    """

    async def publish(self, events: Sequence[Event]) -> None: ...

    def subscribe(self, execution_id: str | None = None) -> AsyncIterator[Event]:
        """Events from now on; the subscription begins when this returns, not at first use."""


class Skill(Protocol):
    """A named deterministic function an author may call, sync or async.

    Its keyword parameters are the step's inputs; what it returns is the step's output.
    """

    def __call__(self, **inputs: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What an agentic step asks of the agent room; every template is rendered already.

    `schema` is a JSON Schema of the answer (None: text), `tools` are names (None: the
    agent's own), `feedback` what earlier attempts' failed checks said, oldest first.
    """

    prompt: str
    path: str
    execution_id: str
    workspace: Path
    agent: str | None = None
    system: str | None = None
    model: str | None = None
    tools: Sequence[str] | None = None
    allowed_tools: Sequence[str] | None = None
    max_iterations: int = 10
    schema: Mapping[str, Any] | None = None
    profile: str | None = None
    feedback: Sequence[str] = ()
    coding: bool = False


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent's answer: text, or a value that fits the schema; and what it cost."""

    value: Any
    cost: Cost
    model: str
    notices: Sequence[str] = ()
    tool_calls: Sequence[str] = ()


class AgentListener(Protocol):
    """Hears an agent while it works; both calls return at once."""

    def token(self, text: str) -> None: ...

    def tool(self, name: str, arguments: Mapping[str, Any], *, allowed: bool) -> None: ...


class Agents(Protocol):
    """The thinkers. Errors are `ModelFailed` (may pass), `NotAllowed`, `LimitReached`,
    `NotRegistered` or `ConfigurationError`."""

    def names(self) -> Sequence[str]:
        """The named agents that exist."""

    def tools(self) -> Sequence[str]:
        """Every tool's name and alias."""

    async def run(self, task: AgentTask, listener: AgentListener) -> AgentAnswer: ...

    async def close(self) -> None: ...


class Provider(Protocol):
    """A way to execute: exactly the seven methods of REQUIREMENTS F001."""

    def name(self) -> str: ...

    def validate(self, workflow: Workflow) -> None:
        """Raise `InvalidSpec` when this provider cannot execute the workflow."""

    async def create_workflow(self, workflow: Workflow) -> None:
        """Make the version known; doing it again is harmless."""

    async def start_execution(self, execution: Execution) -> None:
        """Begin to execute what the store holds as `queued`; returns before it ends."""

    async def get_execution_status(self, execution_id: str) -> Execution: ...

    async def stop_execution(self, execution_id: str) -> Execution:
        """Cancel and wait until nothing of it runs any more."""

    async def delete_workflow(self, name: str, version: str | None = None) -> None: ...
