"""What LangGraph shows of an execution: its thread is the execution, its state the results."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import StateSnapshot

import assay
from assay.graphs.compile import CompiledBlock
from assay.graphs.execution import Status
from assay.graphs.journal import LARGE_VALUES
from assay.graphs.providers.langgraph import LangGraphProvider

from ..running import House, Order, mapping, note, open_house
from .asking import answered, asked

pytestmark = pytest.mark.anyio

FUSE = pytest.mark.parametrize("fuse", [True, False], ids=["fused", "not fused"])
ASK = "{id: ask, type: approval, message: x}"

PLAIN = f"""
    name: w
    context: {{mutable: {{n: 0, log: []}}}}
    steps:
      - {note("a")}
      - {{id: b, type: set, values: {{n: 2, log: [1, 1.5, true, null, {{x: "ü"}}]}}}}
      - {{id: c, type: skill, skill: echo, inputs: {{message: "{{{{ context.log }}}}"}}}}
      - {{id: d, type: skill, skill: echo, when: context.n == 1}}
"""
SHAPES = {
    "a list": PLAIN,
    "a failure": f"- {note('a')}\n- {{id: bad, type: python, function: fail}}\n- {note('b')}",
    "a stop": f"- {note('a')}\n- {{id: e, type: assert, condition: 'false', on_false: stop}}"
    f"\n- {note('b')}",
    "composites": f"""
        - {{id: p, type: parallel, steps: [{note("a")}, {note("b")}]}}
        - {{id: each, type: foreach, items: "[1, 2]", steps: [{note("i")}]}}
        - {{id: l, type: loop, until: iteration == 1, max_iterations: 3, steps: [{note("j")}]}}
        - {{id: c, type: conditional, condition: "true", then: [{note("t")}], else: [{note("f")}]}}
        """,
    "a graph": f"- {note('a')}\n- {note('b', ', needs: [a]')}\n- {note('c', ', needs: [a]')}",
    "nodes": f"- {note('a')}\n- {{id: s, type: sleep, duration: 1ms}}\n- {note('b')}",
}


async def graph_of(house: House, execution: assay.Execution) -> Any:
    """The graph of the execution's own list, over a checkpointer of the same store."""
    manager = house.app.manager
    provider = manager.provider
    assert isinstance(provider, LangGraphProvider)
    definition = provider.definition(await manager.launches.of(execution))
    return definition.block.graph(manager.store.checkpointer())


async def state_of(house: House, execution: assay.Execution) -> StateSnapshot:
    graph = await graph_of(house, execution)
    state: StateSnapshot = await graph.aget_state({"configurable": {"thread_id": execution.id}})
    return state


def results(state: StateSnapshot) -> dict[str, Any]:
    """The states of the steps, by id."""
    prefix = "result."
    return {k.removeprefix(prefix): v for k, v in state.values.items() if k.startswith(prefix)}


def visible(execution: assay.Execution) -> dict[str, Any]:
    """What the journal says of the steps at the top, and in branches taken."""
    return {
        result.step: result.state()
        for path, result in execution.steps.items()
        if "[" not in path and (path == result.step or path.startswith(("p.", "c.")))
    }


@FUSE
@pytest.mark.parametrize("shape", SHAPES)
async def test_after_the_end_it_shows_what_every_step_gave(
    house: House, order: Order, shape: str, fuse: bool
) -> None:
    started = await house.app.manager.start(mapping(SHAPES[shape]), fuse=fuse)
    execution = await house.app.wait(started.id)

    state = await state_of(house, execution)

    assert state.next == ()
    assert state.interrupts == ()
    shown = results(state)
    assert {id: shown[id] for id in visible(execution) if id in shown} == {
        id: result for id, result in visible(execution).items() if id in shown
    }
    assert shown.keys() >= {
        path for path, r in execution.steps.items() if path == r.step and r.attempts
    }
    metadata: Any = state.metadata
    assert (metadata["workflow"], metadata["version"]) == ("w", "1")
    plain(state.values)


@FUSE
async def test_while_it_waits_it_shows_where_and_for_what(
    house: House, order: Order, fuse: bool
) -> None:
    """As LangGraph says it: the next node, and an interrupt with the question's id."""
    text = f"- {note('a')}\n- {ASK}\n- {note('b')}"
    execution = await house.app.manager.start(mapping(text), fuse=fuse)
    question = await asked(house, execution, "ask")
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    await leave(house)

    state = await state_of(house, execution)

    assert state.next == ("step ask",)
    assert [interrupt.id for interrupt in state.interrupts] == [question.id]
    assert state.interrupts[0].value["message"] == "x"
    assert results(state).keys() == {"a"}
    plain(state.values)


@FUSE
@pytest.mark.parametrize(
    ("text", "node", "path"),
    [
        (f"- {ASK}", "step ask", "ask"),
        (f"- {{id: p, type: parallel, steps: [{note('a')}, {ASK}]}}", "step p", "p.ask"),
    ],
    ids=["that waits", "with one in it that waits"],
)
async def test_a_list_of_one_step_shows_what_it_waits_for_and_then_its_end(
    tmp_path: Path, text: str, node: str, path: str, fuse: bool
) -> None:
    """Such a list is run without LangGraph, until it parks."""
    async with open_house(tmp_path) as house:
        Order(house)
        execution = await house.app.manager.start(mapping(text), fuse=fuse)
        question = await asked(house, execution, path)
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    async with open_house(tmp_path) as house:
        Order(house)
        waiting = await state_of(house, execution)
        await house.app.resume(execution.id)
        await answered(house, execution, path)
        ended = await house.app.wait(execution.id)
        state = await state_of(house, execution)

    assert waiting.next == (node,)
    assert [interrupt.id for interrupt in waiting.interrupts] == [question.id]
    assert results(waiting) == {}
    assert (state.next, state.interrupts) == ((), ())
    assert results(state) == visible(ended)


async def leave(house: House) -> None:
    """Let go of everything, so that all of it goes out of memory."""
    await house.app.manager.provider.close()


@FUSE
async def test_after_restarts_it_is_the_same_thread(tmp_path: Path, fuse: bool) -> None:
    """It parks twice and ends; at each time the thread shows how far it is."""
    text = f"- {note('a')}\n- {ASK}\n- {note('b')}\n- {ASK.replace('ask', 'again')}\n- {note('c')}"
    async with open_house(tmp_path) as house:
        Order(house)
        execution = await house.app.manager.start(mapping(text), fuse=fuse)
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    seen = []
    for path in ("ask", "again"):
        async with open_house(tmp_path) as house:
            Order(house)
            state = await state_of(house, execution)
            seen.append((state.next, sorted(results(state))))
            await house.app.resume(execution.id)
            await answered(house, execution, path)
            if path == "ask":
                await asked(house, execution, "again")
                await house.app.manager.wait(execution.id, until=(Status.WAITING,))
            else:
                execution = await house.app.wait(execution.id)
    async with open_house(tmp_path) as house:
        state = await state_of(house, execution)

    assert seen == [
        (("step ask",), ["a"]),
        (("step again",), ["a", "ask", "b"]),
    ]
    assert (state.next, state.interrupts) == ((), ())
    assert results(state) == visible(execution)


async def test_a_repair_that_was_interrupted_shows_the_latest_round(tmp_path: Path) -> None:
    text = f"""
        name: w
        context: {{mutable: {{round: 0}}}}
        steps:
          - {{id: think, type: agent, model: demo, prompt: Think.}}
          - {{id: count, type: set, values: {{round: "{{{{ context.round + 1 }}}}"}}}}
          - {ASK}
          - {{id: twice, type: assert, condition: context.round == 2, on_false: repair}}
        """
    async with open_house(tmp_path) as house:
        execution = await house.start(text)
        await answered(house, execution, "ask")
        await asked(house, execution, "ask~2")
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        between = await state_of(house, execution)
        await house.app.resume(execution.id)
        await answered(house, execution, "ask~2")
        done = await house.app.wait(execution.id)
        state = await state_of(house, execution)

    assert between.next == ("step ask",)
    assert results(between)["count"]["path"] == "count~2"
    assert (done.status, state.next) == ("completed", ())
    assert {r["path"] for r in results(state).values()} == {
        *("think~2", "count~2", "ask~2", "twice~2"),
    }


async def test_what_is_written_directly_is_what_pregel_would_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of one segment needs no Pregel; its thread looks as if it had been there."""
    states = []
    for direct in (True, False):
        if not direct:
            monkeypatch.setattr(CompiledBlock, "run_root", through_pregel)
        folder = tmp_path / str(direct)
        folder.mkdir()
        async with open_house(folder) as house:
            Order(house)
            execution = await house.run(PLAIN)
            assert execution.status == "completed"
            state = await state_of(house, execution)
            graph = await graph_of(house, execution)
            config = {"configurable": {"thread_id": execution.id}}
            kept = [snapshot async for snapshot in graph.aget_state_history(config)]
            states.append((state, len(kept)))
    (one, kept_directly), (other, kept_by_pregel) = states

    assert (one.values, one.next, one.tasks) == (other.values, other.next, other.tasks)
    assert list(one.values) == list(other.values)
    assert kept_directly <= kept_by_pregel
    assert (one.metadata or {}).keys() <= (other.metadata or {}).keys() | {"parents"}
    assert (one.metadata or {})["source"] == (other.metadata or {})["source"] == "loop"
    assert (one.metadata or {})["step"] == (other.metadata or {})["step"]


async def through_pregel(self: CompiledBlock, state: Any, frame: Any, checkpointer: Any) -> Any:
    """`run_root` as it is for lists of several nodes."""
    execution = frame.run.execution
    config = {
        "configurable": {"thread_id": execution.id},
        "metadata": {"workflow": execution.workflow, "version": execution.version},
    }
    graph = self.graph(checkpointer)
    return await graph.ainvoke(state, config, context=frame, durability="exit")


async def test_few_checkpoints_are_kept(house: House, order: Order) -> None:
    """One for each time it left memory, and one for its end: not one for each step."""
    steps = "\n".join(f"- {{id: s{n}, type: sleep, duration: 1ms}}" for n in range(12))
    execution = await house.run(steps)
    graph = await graph_of(house, execution)

    config = {"configurable": {"thread_id": execution.id}}
    kept = [snapshot async for snapshot in graph.aget_state_history(config)]

    assert len(kept) <= 2
    assert kept[0].next == ()


async def test_large_values_are_told_by_their_sum(house: House) -> None:
    async def large() -> str:
        return "x" * 100_000

    house.function(large)
    execution = await house.run("- {id: a, type: python, function: large}")
    state = await state_of(house, execution)

    (shown,) = results(state).values()
    assert (shown["path"], shown["status"]) == ("a", "completed")
    assert len(shown[LARGE_VALUES][0]) == 64
    assert len(str(state.values)) < 1000


@pytest.mark.sqlite_only("it looks into its tables")
async def test_nothing_stored_names_code(tmp_path: Path) -> None:
    """Plain data only, whatever the shape: a stored state can be read by anything."""
    async with open_house(tmp_path) as house:
        Order(house)
        for shape in SHAPES.values():
            for fuse in (True, False):
                started = await house.app.manager.start(mapping(shape), fuse=fuse)
                await house.app.wait(started.id)
        waiting = await house.start(f"- {note('a')}\n- {ASK}")
        await house.app.manager.wait(waiting.id, until=(Status.WAITING,))
    with closing(sqlite3.connect(tmp_path / "home" / "assay.db")) as database:
        types = {
            row[0]
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
            for row in database.execute(f"SELECT DISTINCT type FROM {table}")
        }
        data = [
            row[0]
            for table in ("checkpoints", "checkpoint_blobs")
            for row in database.execute(f"SELECT data FROM {table} WHERE data IS NOT NULL")
        ]

    assert types <= {"msgpack", "null", "empty"}
    assert data
    assert not any(b"assay" in raw or b"collections" in raw for raw in data)


async def test_deleting_an_execution_deletes_its_thread(house: House, order: Order) -> None:
    execution = await house.run(PLAIN)
    graph = await graph_of(house, execution)

    await house.app.manager.delete(execution.id)
    state = await graph.aget_state({"configurable": {"thread_id": execution.id}})

    assert (state.values, state.next, state.created_at) == ({}, (), None)


async def test_forks_have_threads_of_their_own(house: House, order: Order) -> None:
    first = await house.run(PLAIN)
    before = await state_of(house, first)

    fork = await house.app.wait((await house.app.manager.fork(first.id, "c")).id)
    state = await state_of(house, fork)

    assert results(state) == results(before)
    assert state.config["configurable"]["thread_id"] == fork.id
    assert (await state_of(house, first)).config == before.config


def plain(value: Any) -> None:
    """Raises unless it is JSON, of JSON's own types."""
    if isinstance(value, Mapping):
        assert type(value) is dict
        assert all(type(key) is str for key in value)
        for inner in value.values():
            plain(inner)
    elif isinstance(value, list):
        for inner in value:
            plain(inner)
    else:
        assert type(value) in (str, int, float, bool, type(None)), type(value)
