"""The `Store` port over one Firestore database; what each method owes is said there."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ...graphs.errors import NotPossible
from ...graphs.lease import Pace
from . import (
    artifacts,
    audit,
    cache,
    claims,
    executions,
    faults,
    firsts,
    forgetting,
    inbox,
    journal,
    layout,
    log,
    names,
    principals,
    questions,
    ready,
    signals,
    slots,
    workflows,
)
from .beginning import Beginning
from .blobs import FirestoreBlobs
from .database import Database, where
from .drive import Drive
from .many import Many
from .names import Clock
from .revisions import Revisions
from .triggering import Triggering
from .workers import TTL, Workers

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

PACE = Pace(listen=1.0, sweep=2.0, late=0.1)
"""Every look is paid for."""

_LATEST = 10_000
"""Executions whose last lease here is known, so that no checkpoint is kept without it."""

_TIDY = 60.0
"""Seconds between two looks for what has expired, and for events that were cut off."""


class FirestoreStore(Many, Triggering):
    """Any number of processes may open one database. Use it in the loop that opened it."""

    def __init__(self, database: Database, workers: Workers) -> None:
        """Use `open`."""
        self.worker = workers.own
        self.pace = PACE
        self.on_turn: Callable[[str], None] = lambda _: None
        self.name = database.name
        self._database = database
        self._workers = workers
        self._revisions = Revisions(database)
        self._clock = Clock()
        self._drives: dict[tuple[str, int, int], Drive] = {}
        self._latest: dict[str, Drive] = {}
        self._kept: set[str] = set()
        self._tidied = {"cache": 0.0, "signals": 0.0, "firsts": 0.0}
        self._sweep = PACE.sweep
        self._closing = False

    @classmethod
    async def open(
        cls, project: str, database: str = "(default)", *, root: str = "", ttl: float = TTL
    ) -> Self:
        """A worker of that database, dead `ttl` seconds after it was last heard of.

        Raises `StoreError` when the database cannot be reached or written to.
        """
        opened = Database(project, database, root)
        workers = Workers(opened, ttl)
        try:
            await layout.check(opened)
            await workers.start()
        except BaseException:
            await opened.close()
            raise
        return cls(opened, workers)

    # Workflows

    async def register(self, workflow: Workflow) -> None:
        await workflows.register(self._database, self._clock, workflow)

    async def keep(self, workflow: Workflow) -> None:
        if workflow.digest not in self._kept:
            await workflows.keep(self._database, workflow)
            self._kept.add(workflow.digest)

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        return await workflows.document(self._database, name, version)

    async def workflow_by_digest(self, digest: str) -> Mapping[str, Any]:
        return await workflows.document_by_digest(self._database, digest)

    async def workflows(
        self, *, name: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[WorkflowInfo]:
        return await workflows.listing(self._database, name, after, limit)

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        return await workflows.delete(self._database, name, version)

    # Executions

    async def create(
        self, execution: Execution, entries: Sequence[Entry], worker: str
    ) -> Lease | None:
        beginning = Beginning(self._database, self._clock, execution, entries, worker)
        await self._ready_to_hold(worker)
        return self._driven(await beginning.make())

    async def arrive(self, arrival: Arrival) -> None:
        """As `KeptStore` promises it."""
        execution, entries = arrival.execution, arrival.entries
        beginning = Beginning(self._database, self._clock, execution, entries, "", arrival)
        await beginning.make()

    async def mail(self, execution_id: str) -> Sequence[Message]:
        return await inbox.messages(self._database, execution_id)

    async def claim(
        self, execution_id: str, worker: str, *, slotless: bool = False
    ) -> Lease | None:
        await self._ready_to_hold(worker)
        drive = await claims.claim(
            self._database, self._clock, self._workers, execution_id, worker, slotless=slotless
        )
        return self._driven(drive)

    def commit(self, commit: Commit) -> Awaitable[bool]:
        self._database.check_open()
        return self._drive(commit.lease).commit(commit)

    async def execution(self, execution_id: str) -> Execution:
        return await executions.find(self._database, execution_id)

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Execution]:
        return await executions.listing(self._database, workflow, status, after, limit)

    async def delete_execution(self, execution_id: str) -> None:
        await forgetting.forget(self._database, execution_id, self._forget_checkpoints)

    async def entries(self, execution_id: str, *, after: int = 0, limit: int = 1000) -> Page[Entry]:
        return await journal.entries(self._database, execution_id, after, limit)

    async def log(self, *, after: str, limit: int = 1000) -> Sequence[Logged]:
        return await log.read(self._database, after, limit)

    async def log_end(self) -> str:
        return await log.end(self._database)

    async def post(self, message: Message) -> None:
        await inbox.post(self._database, self._clock, message)

    async def inbox(self, worker: str) -> Sequence[Message]:
        return await inbox.listing(self._database, worker)

    async def ready(
        self, worker: str, *, now: float, rung: float = 0, limit: int = 100
    ) -> Sequence[str]:
        if self._is_time_to_tidy("signals"):
            await signals.tell_late(self._database, self._clock, before=time.time() - _TIDY)
        found = await ready.ready(self._database, self._workers, now, rung, limit)
        if self.pace.sweep == self._sweep:  # nobody else has set it
            self._sweep = await self._workers.sweep(PACE.sweep)
            self.pace = replace(self.pace, sweep=self._sweep)
        return found

    async def holder(self, execution_id: str) -> str | None:
        return await claims.holder(self._database, self._workers, execution_id)

    async def alive(self, worker: str) -> bool:
        return await self._workers.alive(names.name(worker))

    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        return await slots.listing(self._database, key)

    # Questions

    async def question(self, question_id: str) -> Question:
        return await questions.find(self._database, question_id)

    async def questions(
        self,
        *,
        execution_id: str | None = None,
        status: str | None = "open",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Question]:
        return await questions.listing(self._database, execution_id, status, after, limit)

    async def answer(self, question: Question) -> bool:
        return await questions.answer(self._database, self._clock, question)

    async def send(self, signal: Signal) -> Sequence[str]:
        return await signals.send(self._database, self._clock, signal)

    async def signals(self, name: str, key: str | None, *, since: float) -> Sequence[Signal]:
        return await signals.listing(self._database, name, key, since)

    async def sent(
        self, *, since: float, after: Signal | None = None, limit: int = 100
    ) -> Sequence[Signal]:
        return await signals.sent(self._database, since, after, limit)

    # Shelves

    async def cached(self, key: str) -> StepResult | None:
        return await cache.get(self._database, key)

    async def cache(self, key: str, result: StepResult, *, ttl: float | None) -> None:
        await cache.put(self._database, key, result, ttl)
        if self._is_time_to_tidy("cache"):
            await cache.forget_expired(self._database)

    async def cached_results(self) -> int:
        return await cache.count(self._database)

    async def invalidate(self, prefix: str = "") -> int:
        return await cache.invalidate(self._database, prefix)

    async def first(self, key: str, value: str, expires_at: float) -> str:
        if self._is_time_to_tidy("firsts"):
            await firsts.forget_expired(self._database)
        return await firsts.first(self._database, key, value, expires_at)

    async def artifacts(
        self, *, execution_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ArtifactInfo]:
        return await artifacts.listing(self._database, execution_id, after, limit)

    async def put_principal(self, principal: Principal) -> None:
        await principals.put(self._database, principal)

    async def principal(
        self, *, id: str | None = None, key_hash: str | None = None
    ) -> Principal | None:
        return await principals.find(self._database, id, key_hash)

    async def principals(self, *, after: str | None = None, limit: int = 100) -> Page[Principal]:
        return await principals.listing(self._database, after, limit)

    async def delete_principal(self, principal_id: str) -> None:
        await principals.delete(self._database, principal_id)

    async def record(self, entry: AuditEntry) -> None:
        await audit.record(self._database, self._clock, entry)

    async def audit(
        self, *, target: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        return await audit.listing(self._database, target, after, limit)

    # The store itself

    def checkpointer(self) -> Any:
        """Call it in the event loop that will use it; langgraph is imported here at first."""
        from .checkpoints import saver_for

        return saver_for(self._database, may_prune=self._has_ended, drive_of=self._latest.get)

    def blobs(self, folder: Path) -> Blobs:
        """In this database, where every worker finds them."""
        return FirestoreBlobs(self._database)

    def faults(self) -> AsyncIterator[Finding]:
        return faults.find(self._database)

    def asides(self) -> AsyncIterator[bytes]:
        return faults.asides(self._database)

    async def layout(self) -> Layout:
        return await layout.read(self._database)

    async def backup(self, target: Path) -> None:
        raise NotPossible(
            f"{self._database.name} is not copied into a file: Google backs it up where it is. "
            "Run: gcloud firestore export gs://BUCKET"
        )

    async def lapse(self) -> None:
        await self._workers.lapse()
        for key, drive in list(self._drives.items()):
            if drive.given_up:  # by an earlier one
                del self._drives[key]
            elif drive.lease.worker == self.worker:
                drive.give_up()

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        while working := [d.working for d in self._drives.values() if d.working is not None]:
            await asyncio.wait(working)
        held = where(self._database.all(names.LEASES), "worker", "==", self.worker)
        leaving = True
        with contextlib.suppress(Exception):  # whoever cannot look, leaves a sign
            leaving = bool(await self._database.find(held.select([]).limit(1)))
        await self._workers.close(leaving=leaving)
        await self._database.close()

    async def _ready_to_hold(self, worker: str) -> None:
        """Whoever holds a lease is known to the others, and alive if it is this one."""
        self._database.check_open()
        if worker == self.worker:
            await self._workers.refresh()
        elif worker:
            await self._workers.know(names.name(worker))

    def _driven(self, drive: Drive | None) -> Lease | None:
        if drive is None:
            return None
        self._keep(drive)
        return drive.lease

    def _drive(self, lease: Lease) -> Drive:
        """What is known of a lease; a lease of which nothing is known is looked up."""
        drive = self._drives.get((lease.execution_id, lease.handle, lease.epoch))
        if drive is None:
            drive = Drive(self._database, self._clock, lease)
            self._keep(drive)
        return drive

    def _keep(self, drive: Drive) -> None:
        key = (drive.lease.execution_id, drive.lease.handle, drive.lease.epoch)
        self._drives[key] = drive
        drive.forget = lambda: self._drives.pop(key, None)
        drive.on_turn = lambda id: self.on_turn(id)
        # Longer, for a checkpoint may be on its way when the lease is lost or given back.
        self._latest.pop(drive.lease.execution_id, None)
        self._latest[drive.lease.execution_id] = drive
        if len(self._latest) > _LATEST:
            del self._latest[next(iter(self._latest))]

    def _is_time_to_tidy(self, what: str) -> bool:
        due = time.monotonic() - self._tidied[what] > _TIDY
        if due:
            self._tidied[what] = time.monotonic()
        return due

    async def _has_ended(self, execution_id: str) -> bool:
        """Is nothing going on under that id? So too when nothing is known of it."""
        status = await executions.status(self._database, execution_id)
        return status is None or status.terminal

    async def _forget_checkpoints(self, execution_id: str) -> None:
        if importlib.util.find_spec(f"{__package__}.checkpoints") is not None:
            await self.checkpointer().adelete_thread(execution_id)
