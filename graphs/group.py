"""Several branches beside each other: `all`, `any`, `none`, and lists that are graphs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .call import Call, Yield
from .crew import Crew, Work
from .execution import Exit, Failure, Status
from .revival import go_through, over
from .strands import Gate, Strand

if TYPE_CHECKING:
    from .run import Outcome, Run


async def settle(
    call: Call, work: Sequence[Work[Outcome]], gate: Gate | None = None
) -> list[Outcome]:
    """Run every branch to its end; returns the outcomes, in order of the branches.

    When one ends with `stop` the others are cancelled. When one has failed and what is left
    waits for answers, that is cancelled too: no answer could save the step.
    """
    crew: Crew[Outcome] = Crew(call.frame.strand, gate, held=call.run.held)
    tasks = {crew.start(w): w for w in work}
    failed = stopped = False
    try:
        while not stopped:
            done = await crew.ended(unless_quiet=failed)
            if not done:
                break
            outcomes = [t.result() for t in done if not t.cancelled()]
            failed = failed or any(o.failure is not None for o in outcomes)
            stopped = not over.get() and any(o.exit is Exit.STOP for o in outcomes)
    finally:
        await crew.close()
    # In an earlier life it may have come further than in this one.
    for cut_off in [w for t, w in tasks.items() if t.cancelled()]:
        await go_through(call.run, cut_off(call.frame.strand))
    return [t.result() for t in tasks if not t.cancelled()]


def writes(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The mutable context that the branches wrote; later ones in the file win."""
    merged: dict[str, Any] = {}
    for outcome in outcomes:
        merged |= outcome.writes
    return merged


def visible(outcomes: Sequence[Outcome]) -> dict[str, Mapping[str, Any]]:
    merged: dict[str, Mapping[str, Any]] = {}
    for outcome in outcomes:
        merged |= outcome.results
    return merged


def exit_of(outcomes: Sequence[Outcome]) -> Exit | None:
    return Exit.STOP if any(o.exit is Exit.STOP for o in outcomes) else None


def failure_of(outcomes: Sequence[Outcome]) -> Failure | None:
    """The first failure, which asks for a rollback when any of them does."""
    failures = [o.failure for o in outcomes if o.failure is not None]
    if not failures:
        return None
    first = failures[0]
    wanted = any(f.rollback for f in failures)
    return Failure(first.code, first.message, first.path, wanted)


async def run_all(call: Call) -> Yield:
    """Every branch to its end; fails when one has failed."""
    outcomes = await settle(call, _branches(call))
    seen = visible(outcomes)
    return Yield(
        _outputs(call, seen),
        context=writes(outcomes),
        exit=exit_of(outcomes),
        visible=seen,
        failure=failure_of(outcomes),
    )


WINNER = "winner"
"""The decision that names the branch of an `any` that has won."""


async def run_any(call: Call) -> Yield:
    """The first branch to complete wins and the others are cancelled."""
    ids = [step.id for step in call.step.steps]
    won = call.run.journal.decided(call.path, WINNER)
    crew: Crew[Outcome] = Crew(call.frame.strand)
    branches = dict(zip(ids, _branches(call), strict=True))
    # What is decided stays so, also where another branch would be quicker this time.
    tasks = {crew.start(work): id for id, work in branches.items() if won in (None, id)}
    ended: dict[str, Outcome] = {}
    try:
        while (won is None or won not in ended) and (done := await crew.ended()):
            for task in sorted(done, key=lambda t: ids.index(tasks[t])):
                id = tasks[task]
                outcome = ended[id] = task.result()
                completed = outcome.results[id]["status"] == Status.COMPLETED
                if won is None and (completed or outcome.exit is Exit.STOP):
                    won = await call.decide(WINNER, lambda id=id: id)  # type: ignore[misc]
    finally:
        await crew.close()
    outcomes = [ended[i] for i in ids if i in ended]
    seen = visible(outcomes)
    if won is None:
        failure = failure_of(outcomes) or Failure(
            "step_failed", "no branch completed: every one was skipped", call.path
        )
        return Yield(None, visible=seen, failure=failure, context=writes(outcomes))
    # Also those that had no time to begin, in this life or in an earlier one; but what they
    # have left running is no part of them.
    call.run.cancel([s for s in call.step.steps if s.id != won], call.frame.within(call))
    for lost in [work for id, work in branches.items() if id != won]:
        await go_through(call.run, lost(call.frame.strand))
    return Yield(
        _outputs(call, seen),
        {"winner": won},
        context=ended[won].writes,
        exit=ended[won].beyond,
        visible=seen,
    )


async def run_none(call: Call) -> Yield:
    """Start the branches and go on; the execution joins them at its end."""
    prefix = call.frame.within(call)
    for step, work in zip(call.step.steps, _branches(call), strict=True):
        call.run.detach(f"{prefix}{step.id}", work)
    return Yield({})


def _branches(call: Call) -> list[Work[Outcome]]:
    def branch(position: int) -> Work[Outcome]:
        return lambda strand: call.drive(("steps",), position=position, strand=strand)

    return [branch(i) for i in range(len(call.step.steps))]


def _outputs(call: Call, seen: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {s.id: seen.get(s.id, {}).get("output") for s in call.step.steps}


async def run_graph(
    run: Run,
    strand: Strand,
    ids: Sequence[str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
    drive: Callable[[str, Strand], Awaitable[Outcome]],
    begun: Collection[str],
) -> set[str]:
    """Run a list that is a graph; returns the ids that were started. Each step starts as soon
    as the steps `before` it have finished.

    `before` holds what a step waits for; `after` what must not yet have failed for it to
    start. A step whose prerequisite failed does not run; the others run on. A `stop`
    cancels what runs; a `skip` starts nothing more, but what had `begun` in an earlier life.
    When one has failed and what is left waits for answers, that is cancelled.
    """

    def work(id: str) -> Work[Outcome]:
        async def begin(own: Strand) -> Outcome:
            return await drive(id, own)

        return begin

    crew: Crew[Outcome] = Crew(strand, held=run.held)
    tasks: dict[Any, str] = {}
    ended: dict[str, Outcome] = {}
    closed = False
    try:
        while True:
            for id in ids:
                if id in tasks.values() or not before[id] <= ended.keys():
                    continue
                if closed and id not in begun:
                    continue
                if any(ended[p].failure is not None for p in after[id]):
                    continue
                tasks[crew.start(work(id))] = id
            failed = any(o.failure is not None for o in ended.values())
            done = await crew.ended(unless_quiet=failed)
            if not done:
                return set(tasks.values())
            for task in sorted(done, key=lambda t: ids.index(tasks[t])):
                outcome = ended[tasks[task]] = task.result()
                closed = closed or outcome.exit is not None
                if outcome.exit is Exit.STOP and not over.get():
                    return set(tasks.values())
    finally:
        await crew.close()
