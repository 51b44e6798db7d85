"""W6: a chain of 100 steps that carry 100 kB.

The payload is random text, so no compression helps anyone. Three ways to carry it: every
step reads it and returns a number; every step hands it on unchanged; every step returns
another one, which nobody can store in less than 100 kB a step.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from random import randbytes
from typing import Any, TypedDict

from langgraph.graph import StateGraph

from sides import ours, reference
from sides.rounds import Profiled, Side, command, stored, timed
from sides.table import Row, Target, show

STEPS = 100
SIZE = 100_000


def text() -> str:
    """100 kB that do not compress to less than three quarters."""
    return b64encode(randbytes(SIZE * 3 // 4)).decode()


class State(TypedDict):
    payload: str
    value: int


async def read(payload: str) -> int:
    return len(payload)


async def hand_on(payload: str) -> str:
    return payload


async def change(payload: str) -> str:  # noqa: ARG001 - it is what the step was given
    return text()


Function = Callable[[str], Awaitable[Any]]


def theirs(function: Function) -> Side:
    return reference.side(graph(function), inputs, limit=STEPS + 10)


def graph(function: Function) -> StateGraph[Any, Any, Any, Any]:
    channel = "value" if function is read else "payload"

    async def node(state: State) -> dict[str, Any]:
        return {channel: await function(state["payload"])}

    return reference.chain(STEPS, State, node)


def inputs() -> State:
    return {"payload": text(), "value": 0}


def own(function: Function, store: Callable[[], str] | None = None) -> Side:
    given, functions = document(function), {"carry": function}
    return ours.side("`python` steps", given, lambda: {"payload": text()}, functions, store=store)


def document(function: Function) -> ours.Document:
    steps = []
    for n in range(STEPS):
        given = "inputs.payload" if n == 0 or function is read else f"s{n - 1}.output"
        inputs = {"payload": f"{{{{ {given} }}}}"}
        steps.append({"id": f"s{n}", "type": "python", "function": "carry", "inputs": inputs})
    return {"name": "payload", "inputs": {"payload": {"type": "string"}}, "steps": steps}


async def measure(rounds: int) -> None:
    for what, function, of_time, of_bytes in (
        ("every step reads it", read, Target(0.4), Target(0.04)),
        ("every step hands it on unchanged", hand_on, Target(0.4), Target(0.04)),
        ("every step returns another one (no target)", change, None, None),
    ):
        sides = theirs(function), own(function)
        before, after = await timed(sides, rounds)
        title = f"W6  100 steps, 100 kB, {what}"
        rows = [Row(sides[0].name, before * 1000), Row(sides[1].name, after * 1000, of_time)]
        show(f"{title}: medians of {rounds} rounds", "ms a run", rows)
        rows = [
            Row(sides[0].name, await stored(sides[0], 2)),
            Row(sides[1].name, await stored(sides[1], 2), of_bytes),
        ]
        show(f"{title}: what it leaves on the disk", "bytes a run", rows)


if __name__ == "__main__":
    command(__doc__, measure, [Profiled(own(f), STEPS) for f in (read, hand_on, change)])
