"""W3: 100 no-op siblings at once, and a join; each sibling is durable by itself.

Both ways that each has are measured: siblings that are listed, and one mapped over a list.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

import assay
from sides import ours, reference
from sides.rounds import Profiled, command, stored, timed
from sides.table import Row, Target, show

SIBLINGS = 100
RUNS = 5
WEIGHED = 20
JOIN = {"id": "join", "type": "python", "function": "noop"}


class Done(TypedDict):
    done: Annotated[list[int], add]


def listed() -> StateGraph[Any, Any, Any, Any]:
    """100 nodes between the start and the join."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Done)
    names = [f"n{i}" for i in range(SIBLINGS)]
    for index, name in enumerate(names):
        graph.add_node(name, _node(index))
        graph.add_edge(START, name)
    graph.add_node("join", _join)
    graph.add_edge(names, "join")
    graph.add_edge("join", END)
    return graph


def mapped() -> StateGraph[Any, Any, Any, Any]:
    """One node, sent to 100 times."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Done)
    graph.add_node("each", _each)
    graph.add_node("join", _join)
    graph.add_conditional_edges(START, lambda _: [Send("each", i) for i in range(SIBLINGS)])
    graph.add_edge("each", "join")
    graph.add_edge("join", END)
    return graph


async def _each(index: Any) -> Done:
    ENDED[index] = time.perf_counter()
    return {"done": [index]}


def _node(index: int) -> Any:
    async def node(_: Done) -> Done:
        return await _each(index)

    return node


async def _join(_: Done) -> Done:
    return {"done": []}


def parallel() -> ours.Document:
    steps = [
        {"id": f"n{i}", "type": "python", "function": "sibling", "inputs": {"index": i}}
        for i in range(SIBLINGS)
    ]
    fan = {"id": "fan", "type": "parallel", "steps": steps}
    return {"name": "fan-out", "steps": [fan, JOIN]}


def foreach() -> ours.Document:
    body = {"id": "n", "type": "python", "function": "sibling", "inputs": {"index": "{{ item }}"}}
    fan = {"id": "fan", "type": "foreach", "items": "{{ inputs.items }}", "steps": [body]}
    return {
        "name": "map",
        "inputs": {"items": {"type": "array"}},
        "steps": [fan | {"concurrency": SIBLINGS}, JOIN],
    }


async def sibling(index: int) -> int:
    ENDED[index] = time.perf_counter()
    return index


def nothing() -> Done:
    return {"done": []}


def indexes() -> dict[str, list[int]]:
    return {"items": list(range(SIBLINGS))}


ENDED: dict[int, float] = {}
"""When each sibling of the run under way ended."""

FUNCTIONS = {"sibling": sibling}
LISTED = reference.side(listed(), nothing)
PARALLEL = ours.side("`parallel`", parallel(), functions=FUNCTIONS)
MAPPED = reference.side(mapped(), nothing, name=f"{reference.NAME}, Send")
FOREACH = ours.side("`foreach`", foreach(), indexes, FUNCTIONS)


class Watched(AsyncSqliteSaver):
    """Notes how long after its end each sibling's writes were durable."""

    delays: list[float]

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await super().aput_writes(config, writes, task_id, task_path)
        for channel, value in writes:
            if channel == "done" and value:
                self.delays.append(time.perf_counter() - ENDED[value[0]])


async def reference_delays() -> list[float]:
    Watched.delays = []
    side = reference.side(listed(), nothing, saver=Watched)
    with TemporaryDirectory() as folder:
        async with side.open(Path(folder)) as run:
            await run()
            Watched.delays.clear()
            await run()
    return Watched.delays


async def our_delays() -> list[float]:
    """Until the event reaches a listener, which is after the commit that holds the result."""
    gate = asyncio.Event()
    document = parallel()
    wait = {"id": "gate", "type": "python", "function": "wait"}
    delays = []
    with TemporaryDirectory() as folder:
        async with assay.open(home=folder, workspace=folder) as app:
            app.function("wait", gate.wait)
            app.function("noop", ours.noop)
            app.function("sibling", sibling)
            execution = await app.start({**document, "steps": [wait, *document["steps"]]})
            events = app.manager.follow(execution.id)
            gate.set()
            async for event in events:
                if event.type == "StepCompleted" and event.path.startswith("fan."):
                    index = int(event.path.removeprefix("fan.n"))
                    delays.append(time.perf_counter() - ENDED[index])
                if event.type == "ExecutionCompleted":
                    break
            await app.wait(execution.id)
    assert len(delays) == SIBLINGS
    return delays


async def measure(rounds: int) -> None:
    for theirs, own in ((LISTED, PARALLEL), (MAPPED, FOREACH)):
        before, after = await timed([theirs, own], rounds, RUNS)
        title = f"W3  100 and a join: medians of {rounds} rounds of {RUNS} runs"
        rows = [Row(theirs.name, before * 1000), Row(own.name, after * 1000, Target(0.45))]
        show(title, "ms a run", rows)
        rows = [Row(side.name, await stored(side, WEIGHED)) for side in (theirs, own)]
        show("W3  What it leaves on the disk", "bytes a run", rows)
    delays = [(await reference_delays(), await our_delays()) for _ in range(rounds)]
    for what, of in (("the slowest of 100", max), ("the median of 100", statistics.median)):
        before, after = (1000 * statistics.median(map(of, d)) for d in zip(*delays, strict=True))
        show(
            f"W3  From a sibling's end to its being durable: {what}, median of {rounds} rounds",
            "ms",
            [
                Row(LISTED.name, before),
                Row(PARALLEL.name, after, Target(10, absolute=True)),
            ],
        )


if __name__ == "__main__":
    profiled = [Profiled(PARALLEL, SIBLINGS + 2), Profiled(FOREACH, SIBLINGS + 2)]
    command(__doc__, measure, profiled)
