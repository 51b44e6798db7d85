"""W4: a loop of 1,000 iterations that counts, and one whose list grows by 50 bytes a turn.

Then ours alone at 1,000, 2,000 and 4,000 iterations: time and bytes are to grow with them,
not with their square.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from random import randbytes
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from sides import ours, reference
from sides.rounds import Inputs, Profiled, Side, command, stored, timed
from sides.table import Row, Target, show

TURNS = 1000
GROWTH = (1000, 2000, 4000)


def item() -> dict[str, str]:
    """Of 50 bytes, another one in each run."""
    return {"item": randbytes(25).hex()}


class Count(TypedDict):
    turn: int


class Growing(TypedDict):
    turn: int
    item: str
    items: Annotated[list[str], add]


async def count(state: Count) -> Count:
    return {"turn": state["turn"] + 1}


async def grow(state: Growing) -> dict[str, Any]:
    return {"turn": state["turn"] + 1, "items": [state["item"]]}


def graph(state: type, node: Callable[..., Any]) -> StateGraph[Any, Any, Any, Any]:
    built: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    built.add_node("body", node)
    built.add_edge(START, "body")
    built.add_conditional_edges("body", _next, ["body", END])
    return built


def _next(state: Count) -> str:
    return "body" if state["turn"] < TURNS else END


def theirs(state: type, node: Callable[..., Any], inputs: Inputs) -> Side:
    return reference.side(graph(state, node), inputs, limit=TURNS + 10)


def counter(turns: int = TURNS) -> Side:
    body = {"id": "count", "type": "set", "values": {"n": "{{ context.n + 1 }}"}}
    return ours.side(f"`set` a counter, {turns:,}", _loop(body, {"n": 0}, turns))


def growing(turns: int = TURNS) -> Side:
    values = {"items": "{{ context.items + [inputs.item] }}"}
    body = {"id": "grow", "type": "set", "values": values}
    document = _loop(body, {"items": []}, turns) | {"inputs": {"item": {"type": "string"}}}
    return ours.side(f"`set` a growing list, {turns:,}", document, item)


def _loop(body: dict[str, Any], mutable: dict[str, Any], turns: int) -> ours.Document:
    loop = {"id": "loop", "type": "loop", "max_iterations": turns, "steps": [body]}
    return {
        "name": "loop",
        "context": {"mutable": mutable},
        "steps": [loop | {"until": f"iteration == {turns - 1}"}],
    }


async def measure(rounds: int) -> None:
    pairs = [
        ("a counter", theirs(Count, count, lambda: {"turn": 0}), counter(), 0.25),
        (
            "a growing list",
            theirs(Growing, grow, lambda: {"turn": 0, "items": [], **item()}),
            growing(),
            0.03,
        ),
    ]
    for what, reference_, own, of_bytes in pairs:
        before, after = await timed([reference_, own], rounds)
        rows = [Row(reference_.name, before * 1000), Row(own.name, after * 1000, Target(0.45))]
        show(f"W4  Loop of 1,000, {what}: medians of {rounds} rounds", "ms a run", rows)
        rows = [
            Row(reference_.name, await stored(reference_, 2)),
            Row(own.name, await stored(own, 2), Target(of_bytes)),
        ]
        show(f"W4  Loop of 1,000, {what}: what it leaves on the disk", "bytes a run", rows)
    for make in (counter, growing):
        await _growth(make)


async def _growth(make: Callable[[int], Side]) -> None:
    """What one iteration takes and leaves, in loops of different lengths."""
    sides = [make(turns) for turns in GROWTH]
    # A quarter more for each iteration of a loop four times as long is noise; more is a slope.
    goals = [None, Target(1.25), Target(1.25)]
    times = await timed(sides, rounds=2)
    sizes = [await stored(side, 1) for side in sides]
    for unit, found in (
        ("µs a turn", [t * 1e6 / n for t, n in zip(times, GROWTH, strict=True)]),
        ("bytes a turn", [size / n for size, n in zip(sizes, GROWTH, strict=True)]),
    ):
        rows = [Row(s.name, v, g) for s, v, g in zip(sides, found, goals, strict=True)]
        show(f"W4  Does a turn cost the same in a longer loop? {unit}", unit, rows)


if __name__ == "__main__":
    command(__doc__, measure, [Profiled(counter(), TURNS), Profiled(growing(), TURNS)])
