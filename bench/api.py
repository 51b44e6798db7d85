"""W8: over HTTP, from a create to the first event and to the last; runs a second; memory.

A server in one process, whoever asks in another, on loopback; every step is durable on both
sides. Ours is `assay serve` with a key, its steps are `python` steps; a subscriber to all events
was there before. The floor is a bare Starlette endpoint that runs the same graph itself and tells
it as events. `--profile` shows where a server of ours, in this process, spends its time.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sides import hosts, serving
from sides.hosts import Host
from sides.rounds import Profiled, Run, Side, command
from sides.table import Row, Target, grid, show

HERE = Path(__file__).parent
STEPS = (1, 10)
CREATES = 200
RUNS = 500
IDLE = 500

Open = Callable[[Path], AbstractContextManager[Host]]
SIDES: Mapping[str, Open] = {"floor": hosts.floor, "ours": hosts.ours}

Seen = defaultdict[tuple[str, str], list[float]]
"""By side and what it is, a value for each round."""


async def measure(rounds: int) -> None:
    seen: Seen = defaultdict(list)
    for turn in range(rounds):
        for side in sorted(SIDES, reverse=bool(turn % 2)):
            await _round(side, seen)
    _latencies(seen, rounds)
    _load(seen, rounds)
    await _memory()


async def _round(side: str, seen: Seen) -> None:
    with TemporaryDirectory() as folder, SIDES[side](Path(folder)) as host:
        if side == "ours":
            await serving.register(host, STEPS)
        for steps in STEPS:
            told = await _visit("latency", side, host, steps, CREATES)
            for what, values in told.items():
                seen[side, f"{what} p50 of {steps}"].append(statistics.median(values))
                seen[side, f"{what} p99 of {steps}"].append(sorted(values)[len(values) * 99 // 100])
        spent = host.spent
        told = await _visit("load", side, host, STEPS[-1], RUNS)
        seen[side, "runs"].append(told["runs"] / told["seconds"])
        seen[side, "server"].append((host.spent - spent) / told["runs"] * 1000)
        seen[side, "client"].append(told["client"] / told["runs"] * 1000)


def _latencies(seen: Seen, rounds: int) -> None:
    of = f"medians of {rounds} rounds of {CREATES}"
    for what, title, goal in (("first", "first event", 5.0), ("last", "completed", 10.0)):
        for steps in STEPS:
            rows = [
                Row(hosts.NAME, _median(seen, "floor", f"{what} p50 of {steps}")),
                Row(
                    "Assay, a subscriber to all events (SSE)",
                    _median(seen, "ours", f"{what} p50 of {steps}"),
                    Target(goal, absolute=True),
                ),
            ]
            show(f"W8  create to {title}, steps: {steps}; p50, {of}", "ms", rows)
    grid(
        f"W8  the same with the answer to the create, ms; p50 and p99, {of}",
        ["first", "p99", "last", "p99", "answer", "p99"],
        [
            (
                f"{name}, steps: {steps}",
                [
                    _median(seen, side, f"{what} {part} of {steps}")
                    for what in ("first", "last", "answer")
                    for part in ("p50", "p99")
                ],
            )
            for side, name in (("floor", hosts.NAME), ("ours", "Assay"))
            for steps in STEPS
        ],
    )
    print("  The floor's answer is the end of its stream: it has nothing else to answer.")


def _load(seen: Seen, rounds: int) -> None:
    rows = [
        Row(hosts.NAME, _median(seen, "floor", "runs")),
        Row("Assay", _median(seen, "ours", "runs"), Target(215, more=True, absolute=True)),
    ]
    foot = [
        "langgraph-api dev, quoted from the design, not measured here: 999 ms to the first event,",
        "1001 ms to completed, 107 runs/s, in memory alone.",
    ]
    title = f"W8  10 steps, 50 clients: medians of {rounds} rounds of {RUNS} runs"
    show(title, "runs/s", rows, foot)
    spent = [Row(hosts.NAME, _median(seen, "floor", "server"))]
    spent.append(Row("Assay", _median(seen, "ours", "server")))
    client = f"Whoever asks: {_median(seen, 'floor', 'client'):.2f} ms; of Assay: "
    client += f"{_median(seen, 'ours', 'client'):.2f} ms."
    show("W8  the same, processor time of the server a run", "ms", spent, [client])


def _median(seen: Seen, side: str, what: str) -> float:
    return statistics.median(seen[side, what])


async def _memory() -> None:
    rows = [
        Row("Starlette, a stream that says nothing", await _each("floor", "floor")),
        Row("Assay, server-sent events of all executions", await _each("ours", "ours")),
        Row("Assay, /v1/ws, all executions", await _each("ours", "socket")),
    ]
    show(f"W8  memory of an idle subscriber, of {IDLE}", "kB", rows)


async def _each(side: str, kind: str) -> float:
    with TemporaryDirectory() as folder, SIDES[side](Path(folder)) as host:
        if side == "ours":
            await serving.register(host, STEPS)
        async with _idle(kind, host, 10):
            pass
        before = host.resident
        async with _idle(kind, host, IDLE):
            return (host.resident - before) / IDLE / 1000


async def _visit(what: str, side: str, host: Host, steps: int, count: int) -> Any:
    process = await _visitor(what, side, host, steps, count)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("whoever asked has ended with an error, which is above")
    return json.loads(said)


@asynccontextmanager
async def _idle(kind: str, host: Host, count: int) -> AsyncIterator[None]:
    """Within, so many subscribers listen."""
    process = await _visitor("idle", kind, host, 0, count)
    assert process.stdin is not None
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise SystemExit("the subscribers did not come in; why is above")
    yield
    process.stdin.close()
    await process.wait()


async def _visitor(what: str, side: str, host: Host, steps: int, count: int) -> Process:
    given = (what, side, str(host.port), host.key, str(steps), str(count))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sides.visitor", *given), cwd=HERE, stdin=PIPE, stdout=PIPE
    )


@asynccontextmanager
async def _visited(folder: Path) -> AsyncIterator[Run]:
    async with serving.here(folder, STEPS) as host:

        async def run() -> None:
            await _visit("load", "ours", host, STEPS[-1], RUNS)

        yield run


if __name__ == "__main__":
    command(__doc__, measure, [Profiled(Side("Assay over HTTP", _visited), RUNS * STEPS[-1])])
