"""The durable, ordered record of one execution, as the engine uses it.

What has happened is added at once and becomes durable with the next commit: one at a time,
each with everything that came together meanwhile. A step result is committed at once; `flush`
waits for it, and every step does so before it begins. A step that merely began waits a short
while for something to ride along with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .batch import Batch
from .errors import StoreError, StoreUnavailable
from .event import EventType
from .execution import Execution, Status, StepResult, timestamp
from .fold import events
from .history import Decision, History, Tried
from .lease import Lease
from .ports import Blobs, EventBus, Store
from .question import Question, Signal
from .records import LARGE, Encoder, dump
from .stored import ArtifactInfo, Commit
from .verdicts import Verdict

T = TypeVar("T")

FLUSH_DELAY = 0.1
"""Seconds that a `StepStarted` waits for a commit to ride on."""

PATIENCE = (0.1, 5.0)
"""Seconds between two tries to write to a store that cannot be written to: first and longest."""

LARGE_VALUES = "large"
"""The key, in a state without its large values, that says by SHA-256 where they are."""

_log = logging.getLogger("assay.journal")


class Abandoned(BaseException):
    """The journal cannot be written to any more: whoever drives the execution lets go of it.

    No step may take this for a failure of its own, hence no `Exception`.
    """

    def __init__(self, cause: StoreError) -> None:
        super().__init__(cause.message)
        self.cause = cause


class Journal:
    """One execution's journal: what is in the store, and what is about to be.

    Only the holder of the lease writes; it numbers events from 1 without gaps. `trouble`
    hears why the store cannot be written to at the moment.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        bus: EventBus,
        lease: Lease,
        execution: Execution,
        history: History,
        trouble: Callable[[str], None],
    ) -> None:
        self.execution = execution
        self.history = history
        self._store = store
        self._blobs = blobs
        self._bus = bus
        self._lease = lease
        self._trouble = trouble
        self._memo = dict(history.results)
        self._decided = dict(history.decisions)
        self._seq = history.seq
        self._encoder = Encoder(execution.created_at)
        self._pending = Batch(history.seq)
        self._under_way: Batch | None = None
        self._stored: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[bool] | None = None
        self._broken: StoreError | None = None
        self._released = False
        self._hurried = False

    @property
    def results(self) -> Mapping[str, StepResult]:
        """Every result so far, by path."""
        return self._memo

    def result(self, path: str) -> StepResult | None:
        """The terminal result at the path, if the step has one."""
        return self._memo.get(path)

    def light(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """A step's state as LangGraph carries it: without the values that are large."""
        path = state.get("path", "")
        large = self._encoder.large.get(path)
        if large is None and path in self.history.results:
            large = [path] if len(dump(state["output"])) > LARGE else None
        if large is None:
            return state
        return {"path": path, "status": state["status"], LARGE_VALUES: large}

    def whole(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """What `light` was made from."""
        return self._memo[state["path"]].state() if LARGE_VALUES in state else state

    def tried(self, path: str) -> Tried | None:
        """The attempts that failed before the execution was last interrupted."""
        return self.history.tried.get(path)

    def decided(self, path: str, name: str) -> Any:
        """The pinned value of that name at the path, or None."""
        return self._decided.get((path, name))

    @property
    def decisions(self) -> Mapping[tuple[str, str], Any]:
        """Every pinned value so far, by path and name."""
        return self._decided

    def decide(self, path: str, name: str, compute: Callable[[], Any]) -> Any:
        """The pinned value of that name at the path, computed at the first call only.

        It becomes durable with the next commit, before anything that follows from it does.
        """
        key = (path, name)
        if key not in self._decided:
            value = compute()
            self._pending.records.append(self._encoder.decision(Decision(path, name, value)))
            self._decided[key] = value
        return self._decided[key]

    def note(self, type: EventType, path: str = "", **data: Any) -> None:
        """An event that rides on the next commit, soon."""
        self._append(type, path, data)
        self._soon()

    def started(self, path: str, step: str, kind: str, at: str | None = None) -> None:
        """A step begins, now or at the time given."""
        self._pending.current = path
        self._append(EventType.STEP_STARTED, path, {"step": step, "kind": kind}, at)
        self._soon()

    def add(self, result: StepResult) -> StepResult:
        """A result that rides on the next commit. Raises `TypeError` when JSON cannot hold it."""
        seq = self._seq + 1
        if result.status is Status.COMPENSATED:
            # It keeps its place in the journal.
            self._take(self._encoder.compensated(seq, timestamp(), result.path))
            self._memo[result.path] = result
            return result
        numbered = result.with_seq(seq)
        self._take(self._encoder.result(numbered, result.completed_at or timestamp()))
        self._memo[result.path] = numbered
        return numbered

    async def record(self, result: StepResult) -> StepResult:
        """Make the result durable, with everything that happened before it."""
        numbered = self.add(result)
        await self.flush()
        return numbered

    def intend(self, path: str) -> None:
        """An effect is about to happen that must not happen twice; `flush` before it does."""
        self._pending.records.append(self._encoder.intent(path))

    def update(self, execution: Execution, type: EventType, **data: Any) -> None:
        """Change the execution's row, with the event that says so."""
        self.execution = execution
        self._pending.row = True
        self._append(type, "", data)
        self._soon()

    def paused(self, paused: bool) -> None:
        """Keep in the row that the execution is to pause, or to go on."""
        self.execution = replace(self.execution, paused=paused)
        self._pending.row = True

    def save(self, question: Question) -> None:
        """Ask, answer or withdraw a question with the next commit."""
        self._pending.questions[question.id] = question

    def consume(self, message: int) -> None:
        """A message of the inbox is dealt with once the next commit is durable."""
        self._pending.consumed.append(message)
        self._soon()

    def send(self, signal: Signal) -> None:
        """Send an event to whoever waits for it, with the next commit."""
        self._pending.signals.append(signal)

    def keep(self, artifact: ArtifactInfo) -> None:
        """A file that a step kept, listed with the next commit."""
        self._pending.artifacts.append(artifact)

    def judge(self, verdict: Verdict) -> None:
        """What is said of an agent's answer, kept with the next commit."""
        self._pending.verdicts.append(verdict)

    @property
    def taken_up(self) -> bool:
        """Whether somebody has driven the execution before whoever writes this."""
        return self._lease.epoch > 1

    async def release(self) -> bool:
        """Commit what is pending and give the lease back; False: there is a message to hear."""
        self._pending.release = True
        await self.flush()
        return self._released

    def hurry(self) -> None:
        """Begin to commit what is pending as soon as nothing more can come at once."""
        if not self._hurried:
            self._hurried = True
            asyncio.get_running_loop().call_soon(self._hurry)

    def _hurry(self) -> None:
        self._hurried = False
        self._write()

    async def flush(self) -> None:
        """Commit what is pending; returns when it is durable. Raises `Abandoned`."""
        if self._broken is not None:
            raise Abandoned(self._broken)
        batch = self._pending if self._pending else self._under_way
        if batch is None:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        batch.waiters.append(waiter)
        self._write()
        await waiter

    def _append(
        self, type: EventType, path: str, data: Mapping[str, Any], at: str | None = None
    ) -> None:
        self._take(self._encoder.event(type, self._seq + 1, at or timestamp(), path, data))

    def _take(self, record: bytes) -> None:
        self._seq += 1
        self._pending.last = self._seq
        self._pending.records.append(record)

    def _soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_DELAY, self._late)

    def _late(self) -> None:
        """Nothing came to ride along with: a step takes long, and its row should say so."""
        self._timer = None
        if self._under_way is not None:
            return
        if self._pending.current is not None:
            self.execution = replace(self.execution, current_step=self._pending.current)
            self._pending.row = True
        self._write()

    def _write(self) -> None:
        """Begin the next commit, unless one is under way: then it follows."""
        batch = self._pending
        if self._under_way is not None or self._broken is not None or not batch:
            return
        self._under_way, self._pending = batch, batch.followed()
        commit = self._commit_of(batch)
        if self._encoder.blobs:
            self._begin(self._insist(commit))
            return
        try:
            self._begin(self._store.commit(commit))
        except StoreError as error:
            self._under_way = None
            self._give_up(batch, error)

    def _begin(self, work: Awaitable[bool]) -> None:
        # Nobody awaits it who could be cancelled, and no task is made where none is needed.
        self._writing = asyncio.ensure_future(work)
        self._writing.add_done_callback(self._written)

    def _written(self, done: asyncio.Future[bool]) -> None:
        batch = self._under_way
        assert batch is not None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if isinstance(error, StoreUnavailable):
            _log.warning("execution %s: %s", self.execution.id, error.message)
            self._begin(self._insist(self._commit_of(batch)))
            return
        self._under_way = self._writing = None
        if error is not None:
            self._give_up(batch, error)
            return
        self._released = done.result() and batch.release
        batch.settle(None)
        if batch.written is not None and self._bus.wanted(self.execution.id):
            self._bus.publish(list(events(batch.written, self.execution.id)))
        # Those who just woke may have something to add.
        if self._pending:
            asyncio.get_running_loop().call_soon(self._write)

    def _give_up(self, batch: Batch, error: BaseException) -> None:
        if not isinstance(error, StoreError):
            error = StoreError(f"{type(error).__name__}: {error}")
        self._broken = error
        _log.error("execution %s is let go of: %s", self.execution.id, error.message)
        for unwritten in (batch, self._pending):
            unwritten.settle(Abandoned(error))

    def _commit_of(self, batch: Batch) -> Commit:
        row = None
        if batch.row:
            row = self.execution = replace(self.execution, updated_at=timestamp())
        return batch.commit(self._lease, self._encoder, row)

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the work gives, however long the store cannot be used; whoever follows is told."""
        delay, longest = PATIENCE
        while True:
            try:
                return await work()
            except StoreUnavailable as error:
                _log.error("execution %s waits for its store: %s", self.execution.id, error.message)
                self._trouble(error.message)
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)

    async def _insist(self, commit: Commit) -> bool:
        """Commit, large values first."""

        async def once() -> bool:
            await self._keep_blobs()
            return await self._store.commit(commit)

        return await self.patiently(once)

    async def _keep_blobs(self) -> None:
        while self._encoder.blobs:
            sha256, data = next(iter(self._encoder.blobs.items()))
            if sha256 not in self._stored:
                await self._blobs.put(data)
                self._stored.add(sha256)
            self._encoder.blobs.pop(sha256, None)
