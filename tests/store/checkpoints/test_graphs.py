"""Real graphs: they run as on LangGraph's InMemorySaver, and survive a restart besides."""

from __future__ import annotations

import asyncio
import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from assay.graphs.errors import StoreError

from .places import SqlitePlace
from .states import at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import StateSnapshot

    from assay.store.checkpointing.saver import Saver

    from .places import Place

    Graph = CompiledStateGraph[Any, Any, Any, Any]

pytestmark = pytest.mark.anyio

DURABILITIES = ["sync", "async", "exit"]


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    items: list[int]


def graph(saver: BaseCheckpointSaver[str]) -> Graph:
    """Start, then a question in a subgraph beside one at the top and a map; then the end."""

    def say(word: str) -> Any:
        async def node(_: State) -> dict[str, Any]:
            return {"log": [word]}

        return node

    async def asks_inside(state: State) -> dict[str, Any]:
        return {"log": [f"inside {interrupt('inside?')}"]}

    async def asks(state: State) -> dict[str, Any]:
        return {"log": [f"outside {interrupt('outside?')}"]}

    async def item(state: Any) -> dict[str, Any]:
        return {"log": [f"item {state}"]}

    inner = StateGraph(State)
    inner.add_node("before", say("before"))
    inner.add_node("ask", asks_inside)
    inner.add_node("after", say("after"))
    inner.add_edge(START, "before")
    inner.add_edge("before", "ask")
    inner.add_edge("ask", "after")

    outer: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    outer.add_node("start", say("start"))
    outer.add_node("inner", inner.compile())
    outer.add_node("asks", asks)
    outer.add_node("item", item)
    outer.add_node("end", say("end"), defer=True)
    outer.add_edge(START, "start")
    outer.add_conditional_edges("start", lambda s: [Send("item", n) for n in s["items"]])
    for name in ("inner", "asks"):
        outer.add_edge("start", name)
    for name in ("inner", "asks", "item"):
        outer.add_edge(name, "end")
    outer.add_edge("end", END)
    return outer.compile(checkpointer=saver)


def seen(snapshot: StateSnapshot) -> dict[str, Any]:
    """What does not depend on ids and clocks."""
    return {
        "values": snapshot.values,
        "next": sorted(snapshot.next),
        "step": (snapshot.metadata or {}).get("step"),
        "source": (snapshot.metadata or {}).get("source"),
        "asks": sorted(str(question.value) for question in snapshot.interrupts),
        "tasks": sorted(
            (task.name, str(task.result), len(task.interrupts)) for task in snapshot.tasks
        ),
    }


async def history(g: Graph, config: RunnableConfig) -> list[StateSnapshot]:
    return [snapshot async for snapshot in g.aget_state_history(config)]


async def answer(g: Graph, config: RunnableConfig, durability: Any) -> Any:
    questions = (await g.aget_state(config)).interrupts
    answers = {question.id: f"yes to {question.value}" for question in questions}
    return await g.ainvoke(Command(resume=answers), config, durability=durability)


async def story(g: Graph, durability: Any) -> list[Any]:
    """A run with questions, answered one at a time; then time travel, an edit and a new run."""
    config = at()
    notes: list[Any] = [
        await g.ainvoke({"log": [], "items": [1, 2, 3]}, config, durability=durability)
    ]
    del notes[0]["__interrupt__"]
    parked = await g.aget_state(config, subgraphs=True)
    notes.append(seen(parked))
    inside = next(task.state for task in parked.tasks if task.name == "inner")
    notes.append(seen(inside))  # type: ignore[arg-type]
    question = next(q for q in parked.interrupts if q.value == "inside?")
    notes.append(
        await g.ainvoke(Command(resume={question.id: "first"}), config, durability=durability)
    )
    del notes[-1]["__interrupt__"]
    notes.append(seen(await g.aget_state(config)))
    notes.append(await answer(g, config, durability))

    past = await history(g, config)
    notes.append([seen(snapshot) for snapshot in past])
    before_end = next((s for s in past if s.next == ("end",)), None)
    if before_end is not None:
        notes.append(await g.ainvoke(None, before_end.config, durability=durability))
        fork = await g.aupdate_state(before_end.config, {"log": ["edited"]}, as_node="asks")
        notes.append(seen(await g.aget_state(fork)))
        notes.append(await g.ainvoke(None, fork, durability=durability))
        notes.append(seen(await g.aget_state(before_end.config)))
    copied = await g.aupdate_state(past[0].config, None, as_node="__copy__")
    notes.append(seen(await g.aget_state(copied)))
    again = await g.ainvoke({"log": ["again"], "items": [9]}, config, durability=durability)
    del again["__interrupt__"]
    notes.append(again)
    notes.append(await answer(g, config, durability))
    notes.append([seen(snapshot) for snapshot in await history(g, config)])
    notes.append([seen(s) async for s in g.aget_state_history(config, filter={"source": "input"})])
    return notes


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_graph_with_questions_subgraphs_and_time_travel_runs_as_in_memory(
    saver: Saver, durability: str
) -> None:
    ours = await story(graph(saver), durability)
    theirs = await story(graph(InMemorySaver()), durability)

    assert ours == theirs
    if durability != "exit":
        assert len(ours) == 16


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_parked_graph_goes_on_after_a_restart(place: Place, durability: Any) -> None:
    inputs = {"log": [], "items": [1, 2]}
    one_go = graph(InMemorySaver())
    await one_go.ainvoke(inputs, at())

    async with place.open() as saver:
        await graph(saver).ainvoke(inputs, at(), durability=durability)
    async with place.open() as saver:
        result = await answer(graph(saver), at(), durability)

    assert result == await answer(one_go, at(), durability)
    assert {"inside yes to inside?", "outside yes to outside?", "end"} <= set(result["log"])


def counting(saver: BaseCheckpointSaver[str]) -> Graph:
    builder = StateGraph(State)

    def step(number: int) -> Any:
        async def node(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"log": [f"{state['items'][0]}.{number}"]}

        return node

    for number in range(5):
        builder.add_node(f"n{number}", step(number))
        builder.add_edge(START if number == 0 else f"n{number - 1}", f"n{number}")
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_many_graphs_at_once_do_not_disturb_each_other(
    saver: Saver, place: Place, durability: Any
) -> None:
    g = counting(saver)
    graphs = 100 if isinstance(place, SqlitePlace) else 40

    async def run(number: int) -> None:
        config = at(f"t{number}")
        inputs = {"log": [], "items": [number]}
        result = await g.ainvoke(inputs, config, durability=durability)
        assert result["log"] == [f"{number}.{step}" for step in range(5)]
        past = await history(g, config)
        assert len(past) == (1 if durability == "exit" else 7)
        assert past[0].values == result
        assert all(snapshot.values.get("items", [number]) == [number] for snapshot in past)

    await asyncio.gather(*(run(number) for number in range(graphs)))

    threads = {c.config["configurable"]["thread_id"] async for c in saver.alist(None)}
    assert len(threads) == graphs


async def test_a_synchronous_node_may_use_a_synchronous_graph(saver: Saver) -> None:
    """LangGraph runs such a node in a thread of its own; the event loop keeps the state."""
    child = counting(saver)

    def node(state: State) -> dict[str, Any]:
        config = at("child")
        result = child_sync.invoke({"log": [], "items": state["items"]}, config)
        snapshots: Sequence[StateSnapshot] = list(child_sync.get_state_history(config))
        child_sync.update_state(config, {"log": ["edited"]}, as_node="only")
        assert child_sync.get_state(config).values["log"] == ["sync", "edited"]
        history = saver.get_delta_channel_history(config=config, channels=["log"])
        assert history["log"]["seed"] == ["sync"]
        saver.copy_thread("child", "copy")
        saver.prune(["child"])
        assert len(list(saver.list(config))) == 1
        assert saver.get_tuple(at("copy")) is not None
        saver.delete_thread("copy")
        saver.delete_for_runs(["no such run"])
        return {"log": [*result["log"], str(len(snapshots))]}

    only = StateGraph(State)
    only.add_node("only", lambda _: {"log": ["sync"]})
    only.add_edge(START, "only")
    child_sync = only.compile(checkpointer=saver)
    parent = StateGraph(State)
    parent.add_node("node", node)
    parent.add_edge(START, "node")
    g = parent.compile(checkpointer=saver)

    result = await g.ainvoke({"log": [], "items": [1]}, at("parent"))

    assert result["log"] == ["sync", "3"]
    assert await saver.aget_tuple(at("copy")) is None
    assert child.name == g.name


async def test_the_synchronous_methods_say_what_to_do_instead(place: Place) -> None:
    async with place.open() as saver:
        for use in (
            lambda: saver.get_tuple(at()),
            lambda: list(saver.list(at())),
            lambda: counting(saver).invoke({"log": [], "items": [1]}, at()),
        ):
            with pytest.raises(StoreError, match="cannot wait for itself: await the async methods"):
                use()

    def opened_in_a_loop_that_ended() -> Saver:
        async def main() -> Saver:
            async with place.open() as saver:
                return saver

        return asyncio.run(main())

    ended = await asyncio.to_thread(opened_in_a_loop_that_ended)
    with pytest.raises(StoreError, match="event loop of this checkpointer has ended"):
        await asyncio.to_thread(ended.get_tuple, at())


async def test_a_closed_saver_says_so(place: Place) -> None:
    async with place.open() as saver:
        pass

    with pytest.raises(StoreError, match="is closed"):
        await saver.aget_tuple(at())
    with pytest.raises(StoreError, match="is closed"):
        await saver.aput_writes(at(id="x"), [("a", 1)], "node")
