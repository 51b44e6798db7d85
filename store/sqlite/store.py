"""The `Store` port over one SQLite database; what each method owes is said there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ...graphs.errors import StoreError
from ...graphs.lease import Pace
from ..blobs import FolderBlobs
from ..records import encode
from . import (
    arriving,
    artifacts,
    audit,
    backup,
    cache,
    executions,
    faults,
    firsts,
    inbox,
    journal,
    leases,
    log,
    principals,
    questions,
    signals,
    slots,
    workflows,
)
from .database import Database
from .memories import Remembering
from .reader import Reader
from .triggering import Triggering
from .verdicts import Judging
from .workers import Workers
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from ...graphs.execution import Execution, StepResult
    from ...graphs.lease import Lease, Message, Slot
    from ...graphs.ports import Blobs
    from ...graphs.question import Question, Signal
    from ...graphs.stored import (
        ArtifactInfo,
        AuditEntry,
        Commit,
        Entry,
        Logged,
        Page,
        Principal,
        WorkflowInfo,
    )
    from ...graphs.workflow import Workflow
    from ..upkeep import Arrival, Finding, Layout


PACE = Pace(listen=0.1, sweep=0.5)
"""To look around in a file of this machine costs next to nothing."""


class SqliteStore(Judging, Remembering, Triggering):
    """Several processes may open one file; each execution is written to by one at a time."""

    def __init__(self, name: str, writer: Writer, reader: Reader | None, workers: Workers) -> None:
        """Use `open`. Without a reader the writer's connection reads too."""
        self.name = name
        self.worker = workers.own
        self.pace = PACE
        self.on_turn: Callable[[str], None] = lambda _: None
        super().__init__(writer, reader)
        self._workers = workers
        self._kept: set[str] = set()
        self._write = writer.run
        self._read = writer.run if reader is None else reader.run

    @classmethod
    async def open(cls, path: Path | None) -> Self:
        """The database of that file, made when absent; None: one in memory, gone when closed.

        Raises `StoreError` when the file is not a database of ours, was written by a newer
        Assay, or may not be written to.
        """
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path | None) -> Self:
        database = Database(path)
        connection = database.create()
        try:
            workers = Workers(path)
        except StoreError:
            connection.close()
            raise
        # A database in memory belongs to its one connection.
        reader = None if path is None else Reader(database)
        return cls(str(database), Writer(database, connection), reader, workers)

    # Workflows

    async def register(self, workflow: Workflow) -> None:
        work = partial(workflows.register, workflow=workflow)
        await self._write(work, f"Workflow {workflow.name}")

    async def keep(self, workflow: Workflow) -> None:
        if workflow.digest not in self._kept:
            work = partial(workflows.keep, workflow=workflow)
            await self._write(work, f"Workflow {workflow.name}")
            self._kept.add(workflow.digest)

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        return await self._read(partial(workflows.document, name=name, version=version))

    async def workflow_by_digest(self, digest: str) -> Mapping[str, Any]:
        return await self._read(partial(workflows.document_by_digest, digest=digest))

    async def workflows(
        self, *, name: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[WorkflowInfo]:
        return await self._read(partial(workflows.listing, name=name, after=after, limit=limit))

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        return await self._write(partial(workflows.delete, name=name, version=version))

    # Executions

    async def create(
        self, execution: Execution, entries: Sequence[Entry], worker: str
    ) -> Lease | None:
        work = leases.beginning(execution, entries, worker)
        return await self._write(work, f"Execution {execution.id}")

    async def arrive(self, arrival: Arrival) -> None:
        """As `KeptStore` promises it."""
        await self._write(arriving.Arriving(arrival), f"Execution {arrival.execution.id}")

    async def mail(self, execution_id: str) -> Sequence[Message]:
        return await self._read(partial(arriving.mail, execution_id=execution_id))

    async def claim(
        self, execution_id: str, worker: str, *, slotless: bool = False
    ) -> Lease | None:
        work = partial(
            leases.claim,
            execution_id=execution_id,
            worker=worker,
            alive=self._workers.alive,
            slotless=slotless,
        )
        return await self._write(work, f"The lease of execution {execution_id}")

    def commit(self, commit: Commit) -> Awaitable[bool]:
        work = journal.writing(commit)
        written = self._write(work, f"A commit of execution {commit.lease.execution_id}")
        if isinstance(work, journal.Rich) and work.gives_up:
            written.add_done_callback(partial(self._pass_on, work))
        return written

    def _pass_on(self, work: journal.Rich, written: asyncio.Future[bool]) -> None:
        if not written.cancelled() and written.exception() is None:
            for id in work.turned:
                self.on_turn(id)

    async def execution(self, execution_id: str) -> Execution:
        return await self._read(partial(executions.find, execution_id=execution_id))

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        return await self._read(
            partial(executions.listing, workflow=workflow, status=status, after=after, limit=limit)
        )

    async def delete_execution(self, execution_id: str) -> None:
        await self._write(partial(executions.delete, execution_id=execution_id))

    async def entries(self, execution_id: str, *, after: int = 0, limit: int = 1000) -> Page[Entry]:
        return await self._read(
            partial(journal.entries, execution_id=execution_id, after=after, limit=limit)
        )

    async def log(self, *, after: str, limit: int = 1000) -> Sequence[Logged]:
        return await self._read(partial(log.read, after=after, limit=limit))

    async def log_end(self) -> str:
        return await self._read(log.end)

    async def post(self, message: Message) -> None:
        what = f"A message to execution {message.execution_id}"
        work = partial(
            inbox.post,
            execution_id=message.execution_id,
            command=message.command,
            data=encode(message.data, what),
        )
        await self._write(work, what)

    async def inbox(self, worker: str) -> Sequence[Message]:
        return await self._read(partial(inbox.listing, worker=worker))

    async def ready(
        self, worker: str, *, now: float, rung: float = 0, limit: int = 100
    ) -> Sequence[str]:
        return await self._read(
            partial(leases.ready, now=now, limit=limit, alive=self._workers.alive)
        )

    async def holder(self, execution_id: str) -> str | None:
        return await self._read(
            partial(leases.holder, execution_id=execution_id, alive=self._workers.alive)
        )

    async def alive(self, worker: str) -> bool:
        return await self._read(lambda _: self._workers.alive(worker))

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        return await self._read(partial(slots.listing, key=key))

    # Questions

    async def question(self, question_id: str) -> Question:
        return await self._read(partial(questions.find, question_id=question_id))

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Question]:
        return await self._read(
            partial(
                questions.listing,
                execution_id=execution_id,
                status=status,
                after=after,
                limit=limit,
            )
        )

    async def executions_of(self, ids: Sequence[str]) -> Sequence[Execution]:
        return await self._read(partial(executions.of, ids=ids))

    async def versions_of(self, named: Sequence[tuple[str, str]]) -> Sequence[WorkflowInfo]:
        return await self._read(partial(workflows.of, named=named))

    async def asked_by(self, execution_ids: Sequence[str], *, each: int = 20) -> Sequence[Question]:
        work = partial(questions.open_of, execution_ids=execution_ids, each=each)
        return await self._read(work)

    async def journals_of(
        self, execution_ids: Sequence[str], *, after: int = 0, each: int | None = None
    ) -> Mapping[str, Sequence[Entry]]:
        work = partial(journal.journals, execution_ids=execution_ids, after=after, each=each)
        return await self._read(work)

    async def artifacts_of(
        self, execution_ids: Sequence[str], *, each: int = 20
    ) -> Sequence[ArtifactInfo]:
        work = partial(artifacts.newest_of, execution_ids=execution_ids, each=each)
        return await self._read(work)

    async def answer(self, question: Question) -> bool:
        work = partial(questions.answer, question=question, document=questions.encoded(question))
        return await self._write(work, f"The answer to question {question.id}")

    async def send(self, signal: Signal) -> Sequence[str]:
        work = partial(signals.send, signal=signal, document=signals.encoded(signal))
        return await self._write(work, f"The event {signal.name!r}")

    async def signals(self, name: str, key: str | None, *, since: float) -> Sequence[Signal]:
        return await self._read(partial(signals.listing, name=name, key=key, since=since))

    async def sent(
        self, *, since: float, after: Signal | None = None, limit: int = 100
    ) -> Sequence[Signal]:
        return await self._read(partial(signals.sent, since=since, after=after, limit=limit))

    # Shelves

    async def cached(self, key: str) -> StepResult | None:
        return await self._read(partial(cache.get, key=key))

    async def cache(self, key: str, result: StepResult, *, ttl: float | None) -> None:
        await self._write(cache.Caching(key, result, ttl), f"The result of step {result.path}")

    async def cached_results(self) -> int:
        return await self._read(cache.count)

    async def invalidate(self, prefix: str = "") -> int:
        return await self._write(partial(cache.invalidate, prefix=prefix))

    async def first(self, key: str, value: str, expires_at: float) -> str:
        work = partial(firsts.first, key=key, value=value, expires_at=expires_at)
        return await self._write(work, f"The key {key!r}")

    async def artifacts(
        self, *, execution_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ArtifactInfo]:
        return await self._read(
            partial(artifacts.listing, execution_id=execution_id, after=after, limit=limit)
        )

    async def put_principal(self, principal: Principal) -> None:
        work = partial(principals.put, principal=principal)
        await self._write(work, f"Principal {principal.id}")

    async def principal(
        self, *, id: str | None = None, key_hash: str | None = None
    ) -> Principal | None:
        return await self._read(partial(principals.find, id=id, key_hash=key_hash))

    async def principals(self, *, after: str | None = None, limit: int = 100) -> Page[Principal]:
        return await self._read(partial(principals.listing, after=after, limit=limit))

    async def delete_principal(self, principal_id: str) -> None:
        await self._write(partial(principals.delete, principal_id=principal_id))

    async def record(self, entry: AuditEntry) -> None:
        work = partial(audit.record, entry=entry, data=audit.encoded(entry))
        await self._write(work, f"The audit of {entry.action}")

    async def audit(
        self, *, target: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        return await self._read(partial(audit.listing, target=target, after=after, limit=limit))

    # The store itself

    def checkpointer(self) -> Any:
        """Call it in the event loop that will use it; langgraph is imported here at first."""
        from .checkpoints import saver_for

        return saver_for(self._writer, self._reader, may_prune=self._has_ended)

    def blobs(self, folder: Path) -> Blobs:
        return FolderBlobs(folder)

    async def faults(self) -> AsyncIterator[Finding]:
        for finding in await self._read(partial(faults.find, name=self.name)):
            yield finding

    async def asides(self) -> AsyncIterator[bytes]:
        for table in faults.TABLES:
            after: object = None
            while True:
                work = partial(faults.asides, table=table, after=after)
                texts, after = await self._read(work)
                for text in texts:
                    yield text
                if after is None:
                    break

    async def layout(self) -> Layout:
        return await self._read(faults.layout)

    async def backup(self, target: Path) -> None:
        await self._read(partial(backup.write, target=target))

    async def lapse(self) -> None:
        """Never: what says that this worker is alive is a lock that the kernel keeps."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        await self._writer.close()
        self._workers.close()

    async def _has_ended(self, execution_id: str) -> bool:
        return await self._read(partial(executions.has_ended, execution_id=execution_id))
