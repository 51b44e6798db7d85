"""Firestore and Pub/Sub, on Google's emulators: what a step costs, how soon work is picked up.

Three things: calls, documents and bytes a step, beside LangGraph with a naive Firestore saver;
the time until another process runs the first step of an execution that was queued, with and
without Pub/Sub; and the time until a worker's work goes on elsewhere after SIGKILL.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import assay
import fan_out
import payload
from assay.store.buses import setup_bus
from sides import naive, ours, reference, worker
from sides.cloud import Cost, Meter, emulators, project, said
from sides.rounds import Side, command
from sides.table import Row, Target, grid, show

COLUMNS = ("commits", "writes", "reads", "bytes", "ms")
ONE_COMMIT = Target(1.0, absolute=True)
TENTH = Target(0.1)


@dataclass(frozen=True, slots=True)
class Work:
    """The same for both sides: how many steps it has, and whether its bytes have a target."""

    name: str
    steps: int
    theirs: Side
    own: Side
    heavy: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    lanes: int = 3
    """Workers with Pub/Sub, and as many without, which are offered executions side by side."""
    offers: int = 20
    """To each of them, one after the other."""
    calm: tuple[float, float] = (2.0, 5.0)
    """Seconds that a worker is idle before the next: longer than the time between two sweeps."""
    ttls: Mapping[float | None, int] = field(default_factory=lambda: {3.0: 5, None: 1})
    """How many workers are killed, by the seconds of silence after which one is dead."""


def chain(steps: int) -> Work:
    theirs = naive.side(reference.chain(steps), reference.zero, limit=steps + 10)
    own = ours.side("`python` steps", ours.chain("python", steps), store=url)
    return Work(f"a chain of {steps}", steps, theirs, own)


def fan() -> Work:
    theirs = naive.side(fan_out.listed(), fan_out.nothing)
    own = ours.side("`parallel`", fan_out.parallel(), functions=fan_out.FUNCTIONS, store=url)
    return Work("100 at once, and a join", fan_out.SIBLINGS + 1, theirs, own)


def carrying(what: str, function: payload.Function) -> Work:
    theirs = naive.side(payload.graph(function), payload.inputs, limit=payload.STEPS + 10)
    own = payload.own(function, url)
    return Work(f"W6: 100 steps, 100 kB, {what}", payload.STEPS, theirs, own, heavy=True)


def url() -> str:
    """Of a store that is empty."""
    return f"firestore://{project()}"


TEN, HUNDRED = chain(10), chain(100)
WORKS = (
    TEN,
    HUNDRED,
    fan(),
    carrying("each reads it", payload.read),
    carrying("each hands it on", payload.hand_on),
)


async def costs(works: Sequence[Work], rounds: int) -> dict[str, tuple[Cost, Cost]]:
    """Medians of what a run costs, theirs and ours, by the name of the work."""
    meter = Meter()
    found: dict[str, tuple[Cost, Cost]] = {}
    with meter.installed():
        for work in works:
            sides = [work.theirs, work.own]
            seen: list[list[Cost]] = [[], []]
            for turn in range(rounds):
                for index in sorted((0, 1), key=lambda i: (i + turn) % 2):
                    seen[index].append(await _cost(sides[index], meter))
            theirs, own = (
                Cost(*map(statistics.median, zip(*map(astuple, s), strict=True))) for s in seen
            )
            found[work.name] = theirs, own
    return found


async def _cost(side: Side, meter: Meter) -> Cost:
    """Of a second run: the first one connects, and keeps the definition."""
    with TemporaryDirectory() as folder:
        async with side.open(Path(folder)) as run:
            await run()
            meter.begin()
            await run()
            return meter.cost()


def show_costs(works: Sequence[Work], found: Mapping[str, tuple[Cost, Cost]], rounds: int) -> None:
    """The beginning and the end of a run are in it, divided by its steps like the rest."""
    rows: list[tuple[str, Sequence[float]]] = []
    for work in works:
        rows.append((work.name, ()))
        for side, cost in zip((work.theirs, work.own), found[work.name], strict=True):
            *counted, seconds = (value / work.steps for value in astuple(cost))
            rows.append((f"  {side.name}", (*counted, seconds * 1000)))
    grid(f"Firestore  What a step costs: medians of {rounds} rounds", COLUMNS, rows)

    commits = [
        Row(f"Assay, {work.name}", found[work.name][1].commits / work.steps, ONE_COMMIT)
        for work in works
    ]
    foot = ["A heartbeat every 3.75 s is counted, too."]
    if {TEN.name, HUNDRED.name} <= found.keys():
        further = [
            (hundred.commits - ten.commits) / (HUNDRED.steps - TEN.steps)
            for ten, hundred in zip(found[TEN.name], found[HUNDRED.name], strict=True)
        ]
        before = Row(f"{naive.NAME}, a further step", further[0])
        commits = [before, Row("Assay, a further step", further[1], ONE_COMMIT), *commits]
        beside = found[TEN.name][1].commits - TEN.steps * further[1]
        foot.insert(
            0,
            f"{beside:.0f} commits of an execution are no step's: it is made, it runs, and at "
            "its end what LangGraph keeps.",
        )
    show("Firestore  Commits a step", "commits", commits, foot)
    for work in works:
        if work.heavy:
            theirs, own = (cost.size / work.steps for cost in found[work.name])
            rows_ = [Row(work.theirs.name, theirs), Row(work.own.name, own, TENTH)]
            show(f"Firestore  {work.name}: what is written", "bytes a step", rows_)


async def picked_up(extent: Extent) -> tuple[list[float], list[float]]:
    """Seconds from when an execution is durable to when a worker that was idle runs its first
    step: found by a sweep, and rung for by Pub/Sub."""
    swept, rung = [], []
    async with asyncio.TaskGroup() as lanes:
        for _ in range(extent.lanes):
            lanes.create_task(_lane(extent, "local", swept))
            lanes.create_task(_lane(extent, "pubsub", rung))
    return swept, rung


async def _lane(extent: Extent, bus: str, found: list[float]) -> None:
    name = project()
    store, bus = f"firestore://{name}", f"pubsub://{name}" if bus == "pubsub" else bus
    await setup_bus(bus)
    with TemporaryDirectory() as folder:
        async with (
            worker.worker(store, bus, Path(folder)) as idle,
            assay.open(store, workspace=folder, environ={"ASSAY_BUS": bus}) as app,
        ):
            for number in range(extent.offers + 1):
                await asyncio.sleep(random.uniform(*extent.calm))
                offered = await worker.offer(app)
                began = await idle.said()
                if number:  # the first one imports and connects
                    found.append(began - offered)


def show_picked_up(swept: Sequence[float], rung: Sequence[float]) -> None:
    for what, of in (("p50", statistics.median), ("p99", _p99)):
        rows = [
            Row("found by a sweep, without Pub/Sub", of(swept) * 1000),
            Row("rung for by Pub/Sub", of(rung) * 1000),
        ]
        count = f"{what} of {min(len(swept), len(rung))}"
        show(f"Pub/Sub  From queued to the first step elsewhere, {count}", "ms", rows)


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


async def recovered(ttl: float | None, calm: tuple[float, float] = (2.0, 6.0)) -> float:
    """Seconds from SIGKILL, while a step runs, until that step begins again elsewhere.

    The other worker has been idle for so many seconds then, at any moment between two sweeps
    and between two heartbeats.
    """
    store = url() + (f"?ttl={ttl:g}" if ttl else "")
    async with AsyncExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        victim = await stack.enter_async_context(worker.worker(store, "local", folders[0], "hold"))
        async with assay.open(store, workspace=folders[0], environ={}) as app:
            await worker.offer(app)
            await victim.said()
        other = await stack.enter_async_context(worker.worker(store, "local", folders[1]))
        await asyncio.sleep(random.uniform(*calm))
        killed = await victim.kill()
        return await other.said() - killed


def show_recovered(found: Mapping[float | None, Sequence[float]]) -> None:
    rows = [
        (
            f"ttl={ttl:g}" if ttl else "the default ttl, 15",
            (len(seconds), statistics.median(seconds), max(seconds)),
        )
        for ttl, seconds in found.items()
    ]
    title = "Firestore  From SIGKILL in a step to its beginning again elsewhere, seconds"
    grid(title, ("kills", "median", "longest"), rows)


async def measure(rounds: int) -> None:
    extent = Extent(rounds)
    with emulators():
        show_costs(WORKS, await costs(WORKS, rounds), rounds)
        show_picked_up(*await picked_up(extent))
        show_recovered({t: [await recovered(t) for _ in range(n)] for t, n in extent.ttls.items()})
        print(f"\n  {said()}")


if __name__ == "__main__":
    command(__doc__, measure)
