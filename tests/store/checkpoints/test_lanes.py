"""Group commit: what is issued together is durable together, in order, or not at all."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from assay.graphs.errors import StoreError
from assay.store.checkpointing.rows import Put, PutWrites
from assay.store.checkpointing.saver import Saver
from assay.store.sqlite.checkpoints import saver_for
from assay.store.sqlite.database import Database
from assay.store.sqlite.writer import Writer

from .states import at, follow, pending, state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from assay.store.checkpointing.rows import Change, Checkpoints

    from .places import Place


pytestmark = pytest.mark.anyio


class Watched:
    """Checkpoints that note every commit, and lose power when they are told to."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._write = checkpoints.write
        self.read, self.revise = checkpoints.read, checkpoints.revise
        self.delete, self.copy = checkpoints.delete, checkpoints.copy
        self.commits: list[tuple[str, list[str]]] = []
        self.power = asyncio.Event()
        self.power.set()
        self.broken: set[str] = set()

    async def write(self, thread: str, changes: Sequence[Change]) -> None:
        await self.power.wait()
        if thread in self.broken:
            raise StoreError("the disk is full")
        await self._write(thread, changes)
        self.commits.append((thread, [_name(change) for change in changes]))


def _name(change: Change) -> str:
    if isinstance(change, PutWrites):
        return "writes " + " ".join(sorted({write.node for write in change.writes}))
    assert isinstance(change, Put)
    return "checkpoint"


@pytest.fixture
async def watched(place: Place) -> AsyncIterator[Watched]:
    async with place.checkpoints() as checkpoints:
        yield Watched(checkpoints)


@pytest.fixture
async def saver(watched: Watched) -> Saver:
    return Saver(watched)


class State(TypedDict):
    n: int


def chain(length: int) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(State)
    previous = START
    for number in range(length):

        async def node(state: State) -> State:
            return {"n": state["n"] + 1}

        builder.add_node(f"n{number}", node)
        builder.add_edge(previous, f"n{number}")
        previous = f"n{number}"
    builder.add_edge(previous, END)
    return builder


async def test_a_superstep_and_its_checkpoint_are_one_commit(
    saver: Saver, watched: Watched
) -> None:
    """Of LangGraph's two calls in flight neither can be lost without the other."""
    graph = chain(5).compile(checkpointer=saver)

    await graph.ainvoke({"n": 0}, at(), durability="sync")

    (start, *steps) = [[name.split()[0] for name in names] for _, names in watched.commits]
    assert start == ["checkpoint", "writes"]
    assert steps[0] == ["checkpoint"]
    assert steps[1:] == [["writes", "checkpoint"]] * 5


async def test_at_exit_there_is_one_commit(saver: Saver, watched: Watched) -> None:
    graph = chain(5).compile(checkpointer=saver)

    await graph.ainvoke({"n": 0}, at(), durability="exit")

    assert watched.commits == [("t", ["checkpoint"])]


async def test_what_gathers_while_a_commit_is_under_way_is_the_next_one(
    saver: Saver, watched: Watched
) -> None:
    config = await follow(saver, at(), {})
    watched.power.clear()
    first = asyncio.ensure_future(saver.aput_writes(config, [("a", 1)], "0"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [
        asyncio.ensure_future(saver.aput_writes(config, [("a", n)], str(n))) for n in range(1, 5)
    ]
    await asyncio.sleep(0)
    assert not first.done()
    watched.power.set()
    await asyncio.gather(first, *later)

    assert watched.commits[1:] == [
        ("t", ["writes 0"]),
        ("t", ["writes 1", "writes 2", "writes 3", "writes 4"]),
    ]


async def test_a_thread_that_cannot_be_written_hurts_no_other(
    saver: Saver, watched: Watched
) -> None:
    watched.broken = {"bad"}
    config = await follow(saver, at("good"), {})

    results = await asyncio.gather(
        follow(saver, at("bad"), {}),
        saver.aput_writes(at("bad", id="x"), [("a", 1)], "node"),
        saver.aput_writes(config, [("a", 1)], "node"),
        return_exceptions=True,
    )

    assert [str(result) for result in results] == ["the disk is full", "the disk is full", "None"]
    watched.broken = set()
    assert await saver.aget_tuple(at("bad")) is None
    await follow(saver, at("bad"), {})


async def test_a_caller_that_stops_waiting_stops_nobody_else(
    saver: Saver, watched: Watched
) -> None:
    config = await follow(saver, at(), {})
    watched.power.clear()
    tasks = [asyncio.ensure_future(saver.aput_writes(config, [("a", n)], str(n))) for n in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    watched.power.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]
    assert [node for node, _, _ in await pending(saver, config)] == ["0", "1", "2"]


async def test_the_loop_may_go_down_while_something_is_written(place: Place) -> None:
    """Its callers are cancelled; nothing hangs, and nobody is told that it was kept."""

    async def main(told: list[str]) -> None:
        async with place.checkpoints() as checkpoints:
            watched = Watched(checkpoints)
            watched.power.clear()
            saver = Saver(watched)

            async def put(node: str) -> None:
                await saver.aput_writes(at(id="c"), [("a", 1)], node)
                told.append(node)

            for node in "ab":
                background.add(asyncio.ensure_future(put(node)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    background: set[asyncio.Future[None]] = set()
    told: list[str] = []
    await asyncio.to_thread(asyncio.run, main(told))

    assert told == []
    assert all(task.cancelled() for task in background)


async def test_deleting_waits_for_what_was_issued_before(saver: Saver, watched: Watched) -> None:
    config = await follow(saver, at(), {})
    watched.power.clear()
    putting = asyncio.ensure_future(follow(saver, at(), {"a": 1}))
    await asyncio.sleep(0)
    deleting = asyncio.ensure_future(saver.adelete_thread("t"))
    await asyncio.sleep(0)
    watched.power.set()
    await asyncio.gather(putting, deleting)

    assert await saver.aget_tuple(config) is None
    assert [c async for c in saver.alist(None)] == []


async def test_closing_keeps_what_was_issued_before(place: Place) -> None:
    """Also what still gathers behind a large commit."""
    async with place.open() as saver:
        first = asyncio.ensure_future(follow(saver, at(), {"a": b"x" * 10_000_000}))
        for _ in range(3):
            await asyncio.sleep(0)
        second = asyncio.ensure_future(follow(saver, at(), {"a": 2}))
        await asyncio.sleep(0)
    assert [task.done() for task in (first, second)] == [True, True]

    async with place.open() as saver:
        assert len((await state(saver, first.result()))["a"]) == 10_000_000
        assert await state(saver, second.result()) == {"a": 2}


async def test_checkpoints_join_the_transactions_of_everything_else(
    path: Path,
) -> None:
    """In SQLite, a journal's commit and a checkpoint that wait together are written as one."""
    database = Database(path)
    writer = Writer(database, database.create())
    saver = saver_for(writer, None)
    statements: list[str] = []
    await writer.run(lambda connection: connection.set_trace_callback(statements.append))
    held, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        go_on.wait(60)

    holding = asyncio.ensure_future(writer.run(hold))
    await asyncio.to_thread(held.wait)
    putting = asyncio.ensure_future(follow(saver, at(), {"a": 1}))
    journal = asyncio.ensure_future(
        writer.run(lambda c: c.execute("INSERT INTO definitions VALUES ('d', '{}')"))
    )
    for _ in range(5):
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(holding, putting, journal)
    await writer.run(lambda connection: connection.set_trace_callback(None))

    whole = "\n".join(statements)
    transactions = [part for part in whole.split("BEGIN IMMEDIATE") if "INSERT" in part]
    assert len(transactions) == 1
    assert "INTO definitions" in transactions[0]
    assert "INTO checkpoints" in transactions[0]
    await writer.close()


async def test_another_event_loop_is_told_to_open_its_own(saver: Saver) -> None:
    def elsewhere() -> None:
        asyncio.run(follow(saver, at(), {}))

    with pytest.raises(StoreError, match="belongs to another event loop; open one for each"):
        await asyncio.to_thread(elsewhere)
