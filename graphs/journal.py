"""The durable, ordered record of one execution, as the engine uses it.

A step result is durable before `record` returns. What happened before it rides along in
the same commit; a step that merely started is flushed on its own after a short while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .event import Event, EventType
from .execution import Execution, Status, StepResult, timestamp
from .ports import Commit, Decision, EventBus, History, Store

FLUSH_DELAY = 0.1
"""Seconds that a `StepStarted` waits for a commit to ride on."""

_EVENTS = {
    Status.COMPLETED: EventType.STEP_COMPLETED,
    Status.FAILED: EventType.STEP_FAILED,
    Status.SKIPPED: EventType.STEP_SKIPPED,
    Status.CANCELLED: EventType.STEP_CANCELLED,
    Status.COMPENSATED: EventType.STEP_COMPENSATED,
}


class Journal:
    """One execution's journal: what is in the store, and what is about to be.

    Only the driver of the execution writes; it numbers events from 1 without gaps.
    """

    def __init__(self, store: Store, bus: EventBus, execution: Execution, history: History) -> None:
        self._store = store
        self._bus = bus
        self.execution = execution
        self._memo = dict(history.results)
        self._decided = dict(history.decisions)
        self._seq = history.seq
        self._results: list[StepResult] = []
        self._decisions: list[Decision] = []
        self._events: list[Event] = []
        self._row_changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()
        self._published = 0
        self._held: dict[int, Sequence[Event]] = {}
        self._batch = 0

    @property
    def results(self) -> Mapping[str, StepResult]:
        """Every result so far, by path."""
        return self._memo

    def result(self, path: str) -> StepResult | None:
        """The terminal result at the path, if the step has one."""
        return self._memo.get(path)

    def decide(self, path: str, name: str, compute: Callable[[], Any]) -> Any:
        """The pinned value of that name at the path, computed at the first call only.

        It becomes durable with the next commit, before anything that follows from it does.
        """
        key = (path, name)
        if key not in self._decided:
            self._decided[key] = value = compute()
            self._decisions.append(Decision(path, name, value))
        return self._decided[key]

    def note(self, type: EventType, path: str = "", **data: Any) -> None:
        """An event that rides on the next commit, soon."""
        self._append(type, path, data)
        if type is EventType.STEP_STARTED:
            self.execution = replace(self.execution, current_step=path)
            self._row_changed = True
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_DELAY, self._flush_soon)

    def add(self, result: StepResult) -> StepResult:
        """A result that rides on the next commit: nothing depends on its being durable."""
        event = self._append(_EVENTS[result.status], result.path, _summary(result))
        # A compensated step keeps its place in the journal.
        compensated = result.status is Status.COMPENSATED
        numbered = result if compensated else result.with_seq(event.seq)
        self._memo[result.path] = numbered
        self._results.append(numbered)
        return numbered

    async def record(self, result: StepResult) -> StepResult:
        """Make the result durable, with everything that happened before it."""
        numbered = self.add(result)
        await self.flush()
        return numbered

    async def update(self, execution: Execution, type: EventType, **data: Any) -> None:
        """Change the execution's row, with the event that says so."""
        self.execution = execution
        self._row_changed = True
        self._append(type, "", data)
        await self.flush()

    async def flush(self) -> None:
        """Commit what is pending; returns when it is durable."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        results, self._results = self._results, []
        decisions, self._decisions = self._decisions, []
        events, self._events = self._events, []
        row = None
        if self._row_changed:
            self._row_changed = False
            row = self.execution = replace(self.execution, updated_at=timestamp())
        if not (results or decisions or events or row):
            return
        batch, self._batch = self._batch, self._batch + 1
        commit = Commit(self.execution.id, results, decisions, events, row)
        # Cancelling the step that waits here must not lose what it has done.
        await asyncio.shield(self._start(self._commit(batch, commit)))

    async def settle(self) -> None:
        """Wait for flushes under way, then flush the rest."""
        while self._flushing:
            await asyncio.gather(*self._flushing)
        await self.flush()

    def _append(self, type: EventType, path: str, data: Mapping[str, Any]) -> Event:
        self._seq += 1
        event = Event(self.execution.id, type, timestamp(), path, data, self._seq)
        self._events.append(event)
        return event

    def _flush_soon(self) -> None:
        self._timer = None
        self._start(self.flush())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)
        return task

    async def _commit(self, batch: int, commit: Commit) -> None:
        """Commit, then publish in order of `seq`, whichever commit is acknowledged first."""
        await self._store.commit(commit)
        self._held[batch] = commit.events
        while self._published in self._held:
            ready = self._held.pop(self._published)
            self._published += 1
            await self._bus.publish(ready)


def _summary(result: StepResult) -> dict[str, Any]:
    """What a result's event says: enough to show it, not its output."""
    return {
        "step": result.step,
        "kind": result.kind,
        "status": result.status.value,
        "attempts": result.attempts,
        "cached": result.cached,
        "error": None if result.error is None else result.error.to_dict(),
        "reason": result.reason,
        "cost": None if result.cost is None else result.cost.to_dict(),
        "started_at": result.started_at,
        "completed_at": result.completed_at,
    }
