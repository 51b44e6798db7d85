"""Pruning takes what nobody needs, and never what a parked graph or a `DeltaChannel` needs."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from assay.graphs.errors import StateCorrupted, StoreError

from .places import KINDS
from .states import at, follow, pending, state

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

    from assay.store.checkpointing.saver import Saver

    from .places import Place

    Graph = CompiledStateGraph[Any, Any, Any, Any]

pytestmark = pytest.mark.anyio

DURABILITIES = ["sync", "async", "exit"]


async def test_only_the_latest_checkpoint_and_what_it_holds_stay(
    saver: Saver, place: Place
) -> None:
    config = await follow(saver, at(), {"kept": "k" * 5000, "n": "0" * 5000})
    for n in "123":
        await saver.aput_writes(config, [("n", n * 5000)], "node")
        config = await follow(saver, config, {"n": n * 5000})
    await saver.aput_writes(config, [("n", "4" * 5000)], "node")
    other = await follow(saver, await follow(saver, at("other"), {"n": 1}), {"n": 2})

    await saver.aprune(["t", "nobody"])

    assert await state(saver, at()) == {"kept": "k" * 5000, "n": "3" * 5000}
    assert await pending(saver, at()) == [("node", "n", "4" * 5000)]
    assert [c.config async for c in saver.alist(at())] == [config]
    assert [await place.count(kind) for kind in KINDS] == [1 + 2, 2 + 2, 1, 3]
    assert await state(saver, other) == {"n": 2}
    assert await place.count("threads") == 2


async def test_a_pruned_thread_goes_on(saver: Saver) -> None:
    config = await follow(saver, at(), {"a": 1, "b": 1})
    config = await follow(saver, config, {"a": 2})
    await saver.aprune(["t"])

    config = await follow(saver, config, {"b": 3})

    assert await state(saver, config) == {"a": 2, "b": 3}


async def test_going_on_from_what_was_pruned_is_refused(saver: Saver, place: Place) -> None:
    """A run from an old checkpoint was under way: its state would have holes."""
    old = await follow(saver, at(), {"a": 1, "b": 1})
    await follow(saver, old, {"a": 2, "b": 2})
    before = await saver.aget_tuple(old)
    assert before is not None
    await saver.aprune(["t"])
    rows = [await place.count(kind) for kind in KINDS]
    checkpoint = {**before.checkpoint, "id": "f"}
    checkpoint["channel_values"]["a"] = 3  # type: ignore[index]

    with pytest.raises(StoreError, match=r"'b' that it goes on with.* was pruned or deleted"):
        await saver.aput(old, checkpoint, {}, {"a": "000009xxxxxxxx"})  # type: ignore[arg-type]

    assert [await place.count(kind) for kind in KINDS] == rows


async def test_a_copy_of_a_pruned_checkpoint_is_not_refused(saver: Saver) -> None:
    """LangGraph hangs it on the parent of the copied one, which is gone."""
    config = await follow(saver, await follow(saver, at(), {"a": 1}), {"b": 2})
    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.parent_config is not None
    await saver.aprune(["t"])

    copy = {**found.checkpoint, "id": "f"}
    copied = await saver.aput(found.parent_config, copy, {}, {})  # type: ignore[arg-type]

    assert await state(saver, copied) == {"a": 1, "b": 2}


async def test_may_prune_is_asked_for_each_thread(place: Place) -> None:
    asked = []

    async def may_prune(thread: str) -> bool:
        asked.append(thread)
        return thread != "running"

    async with place.open(may_prune=may_prune) as saver:
        for thread in ("running", "ended"):
            await follow(saver, await follow(saver, at(thread), {"n": 1}), {"n": 2})
        await saver.aprune(["running", "ended"])
        kept = [c.config["configurable"]["thread_id"] async for c in saver.alist(None)]
        await saver.aprune(["running", "ended"], strategy="delete")
        left = [c.config["configurable"]["thread_id"] async for c in saver.alist(None)]

    assert kept == ["ended", "running", "running"]
    assert left == ["running", "running"]
    assert asked == ["running", "ended"] * 2


async def test_an_unknown_strategy_is_refused(saver: Saver) -> None:
    with pytest.raises(ValueError, match="No strategy is 'keep_all'; give 'keep_latest' or"):
        await saver.aprune(["t"], strategy="keep_all")


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def parking(saver: BaseCheckpointSaver[str]) -> Graph:
    """A few steps, then two branches that ask: one in a graph in a graph, one twice."""

    def say(word: str) -> Any:
        return lambda _: {"log": [word * 2000]}

    def asks(state: State) -> dict[str, Any]:
        return {"log": [f"{interrupt('first?')} {interrupt('second?')}"]}

    def asks_inside(state: State) -> dict[str, Any]:
        return {"log": [interrupt("inside?")]}

    def nested(depth: int) -> StateGraph[Any, Any, Any, Any]:
        builder = StateGraph(State)
        builder.add_node("before", say(f"before {depth}"))
        inside: Any = nested(depth - 1).compile() if depth else asks_inside
        builder.add_node("in", inside)
        builder.add_node("after", say(f"after {depth}"))
        for one, two in [(START, "before"), ("before", "in"), ("in", "after")]:
            builder.add_edge(one, two)
        return builder

    builder = nested(1)
    builder.add_node("asks", asks)
    builder.add_edge("before", "asks")
    return builder.compile(checkpointer=saver)


async def answers(g: Graph, durability: Any, *, prune: bool) -> list[Any]:
    """Run to the end, pruning whenever it is parked."""
    saver: Any = g.checkpointer
    results = [await g.ainvoke({"log": []}, at(), durability=durability)]
    questions = []
    while asked := (await g.aget_state(at())).interrupts:
        if prune:
            await saver.aprune(["t"])
            assert len({str(c.config) async for c in saver.alist(at())}) == 1
        assert [q.id for q in (await g.aget_state(at())).interrupts] == [q.id for q in asked]
        questions.append(sorted(str(question.value) for question in asked))
        answered = {asked[-1].id: f"yes to {asked[-1].value}"}
        results.append(await g.ainvoke(Command(resume=answered), at(), durability=durability))
    if prune:
        await saver.aprune(["t"])
    state = await g.aget_state(at())
    return [questions, state.values, state.next, [result["log"] for result in results]]


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_parked_graph_is_resumed_as_if_it_had_not_been_pruned(
    saver: Saver, place: Place, durability: str
) -> None:
    pruned = await answers(parking(saver), durability, prune=True)
    expected = await answers(parking(InMemorySaver()), durability, prune=False)

    assert pruned == expected
    assert len(pruned[0]) == 3, "it was parked and pruned three times"
    namespaces = [row["namespace"] for row in await place.rows("checkpoints")]
    assert len(namespaces) == len(set(namespaces))


def extend(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(word for write in writes for word in write)]


class Deltas(TypedDict):
    often: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=3)]
    seldom: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=7)]
    never: Annotated[list[str], DeltaChannel(extend)]
    idle: Annotated[list[str], DeltaChannel(extend)]
    n: int


def deltas(saver: BaseCheckpointSaver[str]) -> Graph:
    """Loops; writes to three of its delta channels in turn, from two nodes at once."""

    def node(name: str) -> Any:
        def run(state: Deltas) -> dict[str, Any]:
            n = state["n"]
            word = [f"{name}{n}"]
            only_a = {"seldom": word, "n": n + 1} if n % 2 == 0 else {"n": n + 1}
            return {"often": word, "never": word, **(only_a if name == "a" else {})}

        return run

    builder = StateGraph(Deltas)
    for name in "ab":
        builder.add_node(name, node(name))
        builder.add_edge(START, name)
    builder.add_conditional_edges("a", lambda s: ["a", "b"] if s["n"] % 10 else [], ["a", "b"])
    return builder.compile(checkpointer=saver)


async def values(g: Graph, config: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = (await g.aget_state(config or at())).values
    return found


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_delta_channel_is_whole_after_pruning_and_goes_on(
    saver: Saver, place: Place, durability: Any
) -> None:
    ours, model = deltas(saver), deltas(InMemorySaver())
    for round in range(4):
        for g in (ours, model):
            inputs = {"n": round * 10 + 1, "often": [f"input {round}"]}
            await g.ainvoke(inputs, at(), durability=durability)
        expected = await values(model)
        assert await values(ours) == expected
        before = await place.count("checkpoints")

        await saver.aprune(["t"])

        assert await values(ours) == expected
        assert len(expected["never"]) == 18 * (round + 1)
        assert await place.count("checkpoints") <= before


class Two(TypedDict):
    often: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=3)]
    seldom: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=11)]
    n: int


def counting(saver: BaseCheckpointSaver[str]) -> Graph:
    """Counts to 32, one word a step to both channels; they were kept last at 30 and at 22."""
    builder = StateGraph(Two)
    builder.add_node("a", lambda s: {"often": ["x"], "seldom": [f"{s['n']}"], "n": s["n"] + 1})
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda s: "a" if s["n"] < 32 else "__end__")
    return builder.compile(checkpointer=saver)


async def test_pruning_keeps_ancestors_only_as_far_as_the_nearest_snapshots(
    saver: Saver, place: Place
) -> None:
    g = counting(saver)
    result = await g.ainvoke({"n": 0}, at(), durability="sync")
    assert await place.count("checkpoints") > 32

    await saver.aprune(["t"])

    assert await values(g) == result
    assert len(result["often"]) == 32
    assert 1 < await place.count("checkpoints") <= 11


async def test_an_ancestor_that_pruning_leaves_reads_right_or_not_at_all(
    saver: Saver,
) -> None:
    """The one channel needs ancestors that are older than the snapshots of the other."""
    g = counting(saver)
    await g.ainvoke({"n": 0}, at(), durability="sync")
    past = {str(s.config): s async for s in g.aget_state_history(at())}

    await saver.aprune(["t"])

    *whole, second, first = [c.config async for c in saver.alist(at())]
    for kept in whole:
        assert await values(g, kept) == past[str(kept)].values
    for kept in (second, first):
        with pytest.raises(StateCorrupted, match=r"'often' of .*from which it is rebuilt, is gone"):
            await values(g, kept)


async def test_deleting_a_run_takes_what_only_it_made(saver: Saver, place: Place) -> None:
    base = await follow(saver, at(), {"a": "0" * 5000, "b": "b" * 5000}, run_id="one")
    two = await follow(saver, base, {"a": "1" * 5000}, run_id="two")
    await saver.aput_writes(two, [("a", "2" * 5000)], "node")
    await follow(saver, at("other"), {"a": "3" * 5000}, run_id="two")

    await saver.adelete_for_runs(["two", "three"])

    assert [c.config async for c in saver.alist(None)] == [base]
    assert await state(saver, at()) == {"a": "0" * 5000, "b": "b" * 5000}
    assert [await place.count(kind) for kind in KINDS] == [1, 2, 0, 2]


async def test_a_run_that_a_delta_channel_is_rebuilt_from_is_not_deleted(
    saver: Saver,
) -> None:
    g = deltas(saver)
    for run in ("one", "two"):
        await g.ainvoke({"n": 5}, {**at(), "metadata": {"run_id": run}}, durability="sync")
    expected = await values(g)
    listed = [c.config async for c in saver.alist(None)]

    with pytest.raises(StoreError, match="runs one cannot be deleted from thread 't': later"):
        await saver.adelete_for_runs(["one"])

    assert [c.config async for c in saver.alist(None)] == listed
    assert await values(g) == expected
    await saver.adelete_for_runs(["two", "one"])
    assert [c async for c in saver.alist(None)] == []


async def test_a_copied_thread_lives_on_its_own(saver: Saver) -> None:
    g = deltas(saver)
    await g.ainvoke({"n": 1}, at(), durability="sync")
    expected = await values(g)

    await saver.acopy_thread("t", "copy")
    with pytest.raises(StoreError, match="cannot be copied to 'copy', which holds checkpoints"):
        await saver.acopy_thread("t", "copy")
    await saver.acopy_thread("nobody", "nothing")
    await g.ainvoke({"n": 11}, at(), durability="sync")
    await saver.adelete_thread("t")

    assert await values(g, at("copy")) == expected
    result = await g.ainvoke({"n": 11}, at("copy"))
    assert len(result["never"]) == 36
