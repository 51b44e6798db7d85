"""A process that dies in the middle of 100 steps, and one that goes on where it was.

`python -m sides.victim begin|resume SIDE SHAPE FOLDER`, started by `crash.py`. `resume` prints
what it saw as JSON: milliseconds from opening the store, and the steps that it ran.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NoReturn, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

import assay

from . import ours, reference

STEPS = 100
HALF = 50
SPACING = 0.001
GRACE = 0.010
"""Seconds after its end in which a sibling has to be durable."""

SIDES: dict[str, reference.Durability | None] = {"ours": None, "sync": "sync", "async": "async"}
"""Ours, and the reference by its durability; `async` is its default."""


class Before:
    """Steps that end, until there are enough; then the process is killed."""

    def __init__(self, shape: str, folder: Path) -> None:
        self._shape = shape
        self._ended = (folder / "ended").open("w", buffering=1)
        self._last = asyncio.Event()

    async def chain(self, index: int) -> int:
        if index == HALF:
            _die()
        return self._end(index)

    async def fan_out(self, index: int) -> int:
        if index > HALF:
            await asyncio.Event().wait()
        if index == HALF:
            await self._last.wait()
            await asyncio.sleep(GRACE)
            _die()
        await asyncio.sleep(index * SPACING)
        if index == HALF - 1:
            self._last.set()
        return self._end(index)

    async def __call__(self, index: int) -> int:
        return await (self.chain if self._shape == "chain" else self.fan_out)(index)

    def _end(self, index: int) -> int:
        self._ended.write(f"{index}\n")
        return index


class After:
    """Steps that end at once, and know when the first of them began."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.first: float | None = None
        self._opened = time.perf_counter()

    async def __call__(self, index: int) -> int:
        self.first = self.first or self.elapsed()
        self.ran.append(index)
        return index

    def elapsed(self) -> float:
        """Milliseconds since the store was about to be opened."""
        return (time.perf_counter() - self._opened) * 1000


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed processes do not go on")


def document(shape: str) -> ours.Document:
    steps: list[dict[str, Any]] = [
        {"id": f"s{i}", "type": "python", "function": "step", "inputs": {"index": i}}
        for i in range(STEPS)
    ]
    if shape == "fan-out":
        steps = [{"id": "fan", "type": "parallel", "steps": steps}]
    return {"name": shape, "steps": steps}


async def begin_ours(shape: str, folder: Path) -> None:
    async with assay.open(home=folder, workspace=folder) as app:
        app.function("step", Before(shape, folder).__call__)
        execution = await app.start(document(shape))
        (folder / "execution").write_text(execution.id)
        await app.wait(execution.id)


async def resume_ours(folder: Path) -> After:
    with TemporaryDirectory() as other:
        async with ours.side("", ours.chain("python")).open(Path(other)) as run:
            await run()
    execution_id = (folder / "execution").read_text()
    after = After()
    async with assay.open(home=folder, workspace=folder) as app:
        app.function("step", after.__call__)
        await app.resume(execution_id)
        await app.wait(execution_id)
    return after


class State(TypedDict):
    value: int
    done: Annotated[list[int], add]


def graph(shape: str, step: Before | After) -> StateGraph[Any, Any, Any, Any]:
    async def one(state: State) -> dict[str, Any]:
        return {"value": await step(state["value"]) + 1}

    async def each(index: Any) -> dict[str, Any]:
        return {"done": [await step(index)]}

    if shape == "chain":
        return reference.chain(STEPS, State, one)
    built: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    built.add_node("each", each)
    built.add_conditional_edges(START, lambda _: [Send("each", i) for i in range(STEPS)])
    built.add_edge("each", END)
    return built


async def drive(
    folder: Path,
    built: StateGraph[Any, Any, Any, Any],
    inputs: dict[str, Any] | None,
    durability: reference.Durability,
) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "reference.db")) as saver:
        config: RunnableConfig = {
            "configurable": {"thread_id": "one"},
            "recursion_limit": STEPS + 10,
        }
        await built.compile(checkpointer=saver).ainvoke(inputs, config, durability=durability)


async def resume_reference(shape: str, folder: Path, durability: reference.Durability) -> After:
    with TemporaryDirectory() as other:
        async with reference.side(reference.chain()).open(Path(other)) as run:
            await run()
    after = After()
    await drive(folder, graph(shape, after), None, durability)
    return after


async def main(what: str, side: str, shape: str, folder: Path) -> None:
    durability = SIDES[side]
    if what == "begin":
        if durability is None:
            await begin_ours(shape, folder)
        else:
            steps = Before(shape, folder)
            await drive(folder, graph(shape, steps), {"value": 0, "done": []}, durability)
        return
    if durability is None:
        after = await resume_ours(folder)
    else:
        after = await resume_reference(shape, folder, durability)
    print(json.dumps({"first": after.first, "done": after.elapsed(), "ran": after.ran}))


if __name__ == "__main__":
    _, what, side, shape, folder = sys.argv
    asyncio.run(main(what, side, shape, Path(folder)))
