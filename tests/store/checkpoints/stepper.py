"""A process that runs a graph: `stepper.py sqlite FILE FIRST LAST STEPS`, or `firestore PROJECT …`.

Its threads are numbered from FIRST to before LAST. Each step prints `thread step` when it
begins. Half of the threads write a large value too.
"""

from __future__ import annotations

import asyncio
import operator
import sys
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph

from assay.checkpoint import FirestoreSaver, SqliteSaver


class State(TypedDict):
    log: Annotated[list[int], operator.add]
    large: str
    thread: int
    steps: int


def graph(saver: Any) -> Any:
    """Appends 0, 1, 2 … one a superstep, beside a second node that writes something large."""

    async def step(state: State) -> dict[str, Any]:
        number = len(state["log"])
        sys.stdout.write(f"{state['thread']} {number}\n")
        sys.stdout.flush()
        return {"log": [number]}

    async def beside(state: State) -> dict[str, Any]:
        return {"large": str(len(state["log"])) * (100_000 if state["thread"] % 2 else 1)}

    def more(state: State) -> list[str]:
        return ["step", "beside"] if len(state["log"]) < state["steps"] else []

    builder = StateGraph(State)
    builder.add_node("step", step)
    builder.add_node("beside", beside)
    builder.add_edge(START, "step")
    builder.add_edge(START, "beside")
    builder.add_conditional_edges("step", more, ["step", "beside"])
    return builder.compile(checkpointer=saver)


async def main(kind: str, where: str, first: int, last: int, steps: int) -> None:
    firestore = kind == "firestore"
    opened: Any = FirestoreSaver.open(project=where) if firestore else SqliteSaver.open(where)
    async with opened as saver:
        g = graph(saver)

        async def run(thread: int) -> None:
            config: Any = {"configurable": {"thread_id": str(thread)}}
            inputs = {"log": [], "large": "", "thread": thread, "steps": steps}
            await g.ainvoke(inputs, config, durability="sync")

        await asyncio.gather(*(run(thread) for thread in range(first, last)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
