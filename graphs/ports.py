"""Every socket of the house on one page; a docstring says what an implementer owes.

Implementations live in the rooms above (`store`, `agents`) or beside (`steps`, `providers`)
and are introduced to each other by `api.app`. Everything that may wait is async.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .bulk import Bulk
from .event import Event
from .execution import Execution, StepResult
from .firing import Firings
from .lease import Lease, Message, Pace, Slot
from .ledger import Price
from .memory import Memories
from .question import Question, Signal
from .step import Family, Step
from .stored import (
    ArtifactInfo,
    AuditEntry,
    Commit,
    Entry,
    Logged,
    Page,
    Principal,
    WorkflowInfo,
)
from .thinking import AgentAnswer, AgentTask, Leash
from .verdicts import Verdicts

if TYPE_CHECKING:
    from .call import Call, Yield
    from .workflow import Workflow


class StepKind(Protocol):
    """One kind of step. Registered under the entry point group `assay.steps`.

    `model` adds the kind's fields to `Step`, with `type: Literal[...]` naming the kind and
    its aliases. `run` does one attempt: it raises `Retryable` or `Terminal` to fail, lets
    cancellation through, and never retries, caches or records: the runner does.
    """

    family: Family
    model: type[Step]

    async def run(self, call: Call) -> Yield: ...


class Workflows(Protocol):
    """Definitions that outlive the process."""

    async def register(self, workflow: Workflow) -> None:
        """Keep a workflow under name and version, with its canonical document. The same digest
        again changes nothing; another digest raises `WorkflowConflict`."""

    async def keep(self, workflow: Workflow) -> None:
        """Keep the document for `workflow_by_digest`, without registering name and version."""

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """The document of that version, or of the latest registered; else `WorkflowNotFound`."""

    async def workflow_by_digest(self, digest: str) -> Mapping[str, Any]:
        """The document an execution is pinned to, else `WorkflowNotFound`."""

    async def workflows(
        self, *, name: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[WorkflowInfo]:
        """Registered versions (of that name), by name and then newest first."""

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget the versions (all when None) that no open execution is pinned to; how many."""


class Executions(Protocol):
    """Executions, their journals, and the right to write to them.

    Only the holder of the lease writes to an execution. Everyone else puts a message into
    its inbox.
    """

    async def create(
        self, execution: Execution, entries: Sequence[Entry], worker: str
    ) -> Lease | None:
        """Make an execution that does not exist, with the beginning of its journal.

        The lease is the worker's, unless the execution has a slot request that cannot be
        met: then it stays `queued` without a lease, or `ConcurrencyLimit` is raised
        (`reject`), or those who hold the key or wait for it are sent STOP and it waits its
        turn (`replace`). An id that exists raises `StoreError`. No `worker`, no lease."""

    async def claim(
        self, execution_id: str, worker: str, *, slotless: bool = False
    ) -> Lease | None:
        """Take the lease, with the next epoch; the worker's own is taken over as well.

        None when a worker that is alive has it, the execution has ended, or a slot that it
        needs is not free (it then has its place in the queue). `slotless` takes it without
        the slot: to end it, as does a STOP in its inbox. Raises `ExecutionNotFound`.
        """

    def commit(self, commit: Commit) -> Awaitable[bool]:
        """Write the commit, all or nothing; False when `release` was not done.

        An execution's commits are written in the order of the calls.

        Raises `LeaseLost` when the lease has another epoch now, `StoreUnavailable` when
        writing fails for now, `StoreError` when the entry's `seq` is taken. A status that
        ends the execution, or `waiting` and `paused` with `hold: running`, gives its slot to
        the next in the queue. `release` is not done while the inbox holds a message that is
        not `consumed`: the rest of the commit is.
        """

    async def execution(self, execution_id: str) -> Execution:
        """One execution without its steps, else `ExecutionNotFound`. A unique prefix of the
        id is enough."""

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        """Executions without their steps, newest first."""

    async def delete_execution(self, execution_id: str) -> None:
        """Forget an execution that has ended, with everything of it; else `NotPossible`."""

    async def entries(self, execution_id: str, *, after: int = 0, limit: int = 1000) -> Page[Entry]:
        """Entries that hold a `seq` greater than `after`, in order; all when it is 0."""

    async def log(self, *, after: str, limit: int = 1000) -> Sequence[Logged]:
        """Entries of all executions in the order of their commits: after that cursor, or all
        from the oldest on when it is empty.

        What was committed in the last moments may be told later; nothing is passed over.
        Raises `InvalidInput` for what is no cursor.
        """

    async def log_end(self) -> str:
        """The cursor behind all that `log` would tell now."""

    async def post(self, message: Message) -> None:
        """Put a message into an inbox. Raises `ExecutionNotFound`."""

    async def inbox(self, worker: str) -> Sequence[Message]:
        """What lies in the inboxes of every execution that the worker holds, oldest first."""

    async def ready(
        self, worker: str, *, now: float, rung: float = 0, limit: int = 100
    ) -> Sequence[str]:
        """Executions that somebody should claim: no worker that is alive holds them, and they
        are queued (with the slot they need free for them, or a STOP in the inbox), or were
        running, or wait with a message in the inbox or a question that is due.

        By priority, then age. Those that became so in the last `rung` seconds may be left
        out: a bell has rung for them.
        """

    async def holder(self, execution_id: str) -> str | None:
        """The living worker that holds the lease, if there is one."""

    async def alive(self, worker: str) -> bool:
        """Whether the store of that worker is open, and its process lives."""

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of the key (of all keys), then who waits, in order of turn."""


class Questions(Protocol):
    """What executions wait for."""

    async def question(self, question_id: str) -> Question:
        """One question, else `QuestionNotFound`. A unique prefix of the id is enough."""

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Question]:
        """Questions, oldest first; those that only wait for time included."""

    async def answer(self, question: Question) -> bool:
        """Replace the question of that id, if its revision is one lower and it is open.

        When it is not open any more afterwards, an ANSWER message is put into the inbox of
        its execution in the same commit. False: somebody else was first."""

    async def send(self, signal: Signal) -> Sequence[str]:
        """Keep an event, and tell everyone who waits for it by a SIGNAL message for each
        open question that it fits; returns the ids of the executions. The same id again
        changes nothing.
        """

    async def signals(self, name: str, key: str | None, *, since: float) -> Sequence[Signal]:
        """Kept events of that name (and key, unless None), from that time on, oldest first."""

    async def sent(
        self, *, since: float, after: Signal | None = None, limit: int = 100
    ) -> Sequence[Signal]:
        """Kept events of any name from that time on, by time and then id, behind `after`."""


class Shelves(Protocol):
    """What is kept beside executions: cached results, people, what they did."""

    async def cached(self, key: str) -> StepResult | None:
        """The result kept under the key, unless it has expired."""

    async def cache(self, key: str, result: StepResult, *, ttl: float | None) -> None:
        """Keep a completed result under the key, for `ttl` seconds or for good."""

    async def cached_results(self) -> int:
        """How many results are kept and have not expired."""

    async def invalidate(self, prefix: str = "") -> int:
        """Forget the cached results whose step's path or key begins so; how many."""

    async def first(self, key: str, value: str, expires_at: float) -> str:
        """The value kept under the key: this one, until that time (seconds since 1970), unless
        another one was kept before and has not expired."""

    async def artifacts(
        self,
        *,
        execution_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[ArtifactInfo]:
        """Files that steps kept, newest first."""

    async def put_principal(self, principal: Principal) -> None:
        """Insert or replace by id."""

    async def principal(
        self, *, id: str | None = None, key_hash: str | None = None
    ) -> Principal | None:
        """The principal of that id, or with that hash of an API key."""

    async def principals(
        self, *, after: str | None = None, limit: int = 100
    ) -> Page[Principal]: ...

    async def delete_principal(self, principal_id: str) -> None: ...

    async def record(self, entry: AuditEntry) -> None:
        """Append to the audit; nothing there is ever changed."""

    async def audit(
        self, *, target: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        """The audit, newest first."""


class Store(Workflows, Executions, Questions, Shelves, Verdicts, Memories, Firings, Bulk, Protocol):
    """What outlives the process. Every write is durable when its call returns. `worker` is
    this open store's own name as a worker: alive while it is open and its process lives.
    `on_turn` is called with whoever a commit of this store has given the slot it waited for."""

    worker: str
    pace: Pace
    on_turn: Callable[[str], None]

    def blobs(self, folder: Path) -> Blobs:
        """Where large values and files are kept: in the folder, unless it has a place itself."""

    def checkpointer(self) -> Any:
        """A LangGraph `BaseCheckpointSaver` over the same storage."""

    async def backup(self, target: Path) -> None:
        """Write a consistent copy of everything to a new file, while work goes on."""

    async def lapse(self) -> None:
        """Return, if ever, shortly before others may drive what this worker does, which the
        store has not answered for so long. Its commits raise `LeaseLost` from then on."""

    async def close(self) -> None:
        """Write what is pending and let go of files. Calling it twice is harmless."""


class Blobs(Protocol):
    """Bytes by their SHA-256 (lower-case hex). Putting the same bytes twice keeps one copy."""

    async def put(self, data: bytes | Path) -> str: ...

    async def get(self, sha256: str) -> bytes:
        """The bytes; raises `StoreError` when absent or when they no longer match the hash."""

    async def has(self, sha256: str) -> bool: ...

    def path(self, sha256: str) -> Path | None:
        """The file that holds the bytes on this machine, or None when there is none."""


class EventBus(Protocol):
    """Carries events to whoever listens in this process or others; durable ones after the commit
    that holds them, by `seq`. `patience`: seconds in which a ring is heard; 0 where none is."""

    patience: float

    def publish(self, events: Sequence[Event]) -> None:
        """Hand the events over; returns at once. Nobody waits for a listener."""

    def wanted(self, execution_id: str) -> bool:
        """Whether anybody may hear of that execution; False spares making its events."""

    def subscribe(self, execution_id: str | None = None) -> AsyncIterator[Event]:
        """Events from now on, not from first use; other processes' once `hears` has returned."""

    def here(self) -> AsyncIterator[Event]:
        """Events that this process publishes from now on. Those of others are not fetched."""

    async def hears(self, seconds: float = 5.0) -> bool:
        """Wait, so long at most, until subscribers hear other processes; whether they do."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Say something, as JSON can, to every process; returns at once. It may be lost."""

    def told(self) -> AsyncIterator[Mapping[str, Any]]:
        """What is told from now on, by this process as well."""

    def ring(self, execution_id: str) -> None:
        """Ask any one worker to look at the execution; returns at once. It may be lost."""

    def rings(self) -> AsyncIterator[str]:
        """Ids of executions to look at; a ring is taken from the others by who is given it."""


class Skill(Protocol):
    """A named deterministic function an author may call, sync or async. Its keyword parameters
    are the step's inputs; what it returns is the step's output."""

    def __call__(self, **inputs: Any) -> Any: ...


class Agents(Protocol):
    """The thinkers. Errors are `ModelFailed` and `ToolServerFailed` (may pass), `NotAllowed`,
    `LimitReached`, `NotRegistered` or `ConfigurationError`."""

    def names(self) -> Sequence[str]:
        """The named agents that exist."""

    def tools(self) -> Collection[str]:
        """Every tool's name and alias, those that are added later as well."""

    def add_tool(self, name: str, function: Callable[..., Any], *, profile: str) -> None:
        """Let agents of that security profile, and of those that may more, call a function.

        Raises `ConfigurationError` for what cannot be a tool, `NotAllowed` for no profile."""

    def price(self, model: str) -> Price | None:
        """What it costs; None when nobody knows."""

    async def run(self, task: AgentTask, leash: Leash) -> AgentAnswer: ...

    async def close(self) -> None: ...


class Provider(Protocol):
    """A way to execute workflows, in exactly seven methods; entry points: `assay.providers`.

    The manager has validated what it hands over, and keeps definitions and executions itself.
    A provider elsewhere is begun with, looked at until the end, and stopped; whatever it
    raises ends the execution, save `Retryable`: then it is asked again.
    """

    def name(self) -> str: ...

    def validate(self, workflow: Workflow) -> None:
        """Raise `InvalidSpec` when this provider cannot execute the workflow."""

    async def create_workflow(self, workflow: Workflow) -> None:
        """Make the version known; doing it again is harmless."""

    async def start_execution(self, execution: Execution) -> Execution:
        """Begin, and return how it is now; the same id again begins nothing more.

        Raises `WorkflowNotFound` for a version that was not created."""

    async def get_execution_status(self, execution_id: str) -> Execution:
        """Its status, and its outputs or error at the end, else `ExecutionNotFound`."""

    async def stop_execution(self, execution_id: str, reason: str = "") -> Execution:
        """Cancel, and return when nothing of it runs any more, else `ExecutionNotFound`."""

    async def delete_workflow(self, name: str, version: str | None = None) -> None:
        """Forget a version, or all; what is not there is forgotten already."""
