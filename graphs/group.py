"""Lists whose steps run beside each other: `all`, `any`, `none`, and lists that are graphs.

LangGraph's superstep is a barrier, so branches are driven here, each a graph of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .call import Call, Yield
from .execution import Exit, Failure, Status

if TYPE_CHECKING:
    from .engine import Outcome


class Branches:
    """Branches of one step, and how their outcomes come together, in order of the file."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def settle(self, work: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        """Run every branch to its end; when one ends with `stop`, cancel the others."""
        tasks = [asyncio.ensure_future(w) for w in work]
        pending = set(tasks)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not task.cancelled() and task.exception() is not None:
                        task.result()
                if any(not t.cancelled() and t.result().exit is Exit.STOP for t in done):
                    break
        finally:
            await cancel(pending)
        return [t.result() for t in tasks if t.done() and not t.cancelled()]

    def writes(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for outcome in outcomes:
            merged |= outcome.writes
        return merged

    def visible(self, outcomes: Sequence[Outcome]) -> dict[str, Mapping[str, Any]]:
        merged: dict[str, Mapping[str, Any]] = {}
        for outcome in outcomes:
            merged |= outcome.results
        return merged

    def exit(self, outcomes: Sequence[Outcome]) -> Exit | None:
        return Exit.STOP if any(o.exit is Exit.STOP for o in outcomes) else None

    def failure(self, outcomes: Sequence[Outcome]) -> Failure | None:
        """The first failure, which asks for a rollback when any of them does."""
        failures = [o.failure for o in outcomes if o.failure is not None]
        if not failures:
            return None
        first = failures[0]
        wanted = any(f.rollback for f in failures)
        return Failure(first.code, first.message, first.path, wanted)


async def cancel(tasks: set[asyncio.Task[Any]] | set[asyncio.Future[Any]]) -> None:
    """Cancel and wait until every one has ended, whatever it ends with."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_all(call: Call) -> Yield:
    """Every branch to its end; fails when one has failed."""
    branches = Branches(call)
    outcomes = await branches.settle(_branches(call))
    visible = branches.visible(outcomes)
    return Yield(
        _outputs(call, visible),
        context=branches.writes(outcomes),
        exit=branches.exit(outcomes),
        visible=visible,
        failure=branches.failure(outcomes),
    )


async def run_any(call: Call) -> Yield:
    """The first branch to complete wins and the others are cancelled."""
    ids = [step.id for step in call.step.steps]
    tasks = {asyncio.ensure_future(w): i for w, i in zip(_branches(call), ids, strict=True)}
    pending = set(tasks)
    ended: dict[str, Outcome] = {}
    winner: str | None = None
    try:
        while pending and winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda t: ids.index(tasks[t])):
                outcome = ended[tasks[task]] = task.result()
                completed = outcome.results[tasks[task]]["status"] == Status.COMPLETED
                if winner is None and (completed or outcome.exit is Exit.STOP):
                    winner = tasks[task]
    finally:
        await cancel(pending)
    outcomes = [ended[i] for i in ids if i in ended]
    branches = Branches(call)
    visible = branches.visible(outcomes)
    if winner is None:
        failure = branches.failure(outcomes) or Failure(
            "step_failed", "no branch completed: every one was skipped", call.path
        )
        return Yield(None, visible=visible, failure=failure, context=branches.writes(outcomes))
    return Yield(
        _outputs(call, visible),
        {"winner": winner},
        context=ended[winner].writes,
        exit=ended[winner].beyond,
        visible=visible,
    )


async def run_none(call: Call) -> Yield:
    """Start the branches and go on; the execution joins them at its end."""
    for work in _branches(call):
        call.run.detach(work)
    return Yield({})


def _branches(call: Call) -> list[Coroutine[Any, Any, Outcome]]:
    return [call.drive(("steps",), position=i) for i in range(len(call.step.steps))]


def _outputs(call: Call, visible: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {s.id: visible.get(s.id, {}).get("output") for s in call.step.steps}


async def run_graph(
    ids: Sequence[str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
    drive: Callable[[str], Awaitable[Outcome]],
) -> set[str]:
    """Run a list that is a graph; returns the ids that were started. Each step starts as soon
    as the steps `before` it have finished.

    `before` holds what a step waits for; `after` what must not yet have failed for it to
    start. A step whose prerequisite failed does not run; the others run on. A `stop`
    cancels what runs; a `skip` starts nothing more.
    """
    tasks: dict[str, asyncio.Task[Outcome]] = {}
    ended: dict[str, Outcome] = {}
    closed = False
    try:
        while True:
            for id in ids:
                if closed or id in tasks or not before[id] <= ended.keys():
                    continue
                if any(_failed(ended[p]) for p in after[id]):
                    continue
                tasks[id] = asyncio.ensure_future(_outcome(drive, id))
            running = {t for i, t in tasks.items() if i not in ended}
            if not running:
                return set(tasks)
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for id in [i for i in ids if i in tasks and tasks[i] in done]:
                ended[id] = tasks[id].result()
                closed = closed or ended[id].exit is not None
                if ended[id].exit is Exit.STOP:
                    return set(tasks)
    finally:
        await cancel({t for t in tasks.values() if not t.done()})


async def _outcome(drive: Callable[[str], Awaitable[Outcome]], id: str) -> Outcome:
    return await drive(id)


def _failed(outcome: Outcome) -> bool:
    return outcome.failure is not None
