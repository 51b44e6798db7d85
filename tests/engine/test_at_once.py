"""So many executions run in one process at once; those that wait do not count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.event import EventType
from assay.graphs.providers.langgraph import LangGraphProvider
from assay.graphs.strands import Gate

from ..running import House, open_house
from .asking import answered
from .lasting import happened
from .turns import ASK, Turns, alone, waiting

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]


def busy(*before: dict[str, Any]) -> dict[str, Any]:
    """A workflow whose executions share nothing but the process."""
    definition = alone(*before)
    del definition["concurrency"]
    return definition


def limited(house: House, at_once: int) -> Turns:
    """The app has the default limit, and there is no setting of it yet: a gate of our own."""
    provider = house.app.manager.provider
    assert isinstance(provider, LangGraphProvider)
    provider._gate = Gate(at_once)
    return Turns(house)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Turns]:
    """A process that runs two executions at once."""
    async with open_house(tmp_path) as house:
        yield limited(house, 2)


async def test_so_many_and_no_more(two: Turns) -> None:
    executions = [await two.start(name, busy()) for name in "abcd"]
    await two.reached("a", "b")
    waits = [(await two.house.app.manager.get(e.id)).status for e in executions[2:]]
    two.let("a")
    await two.reached("c")
    two.let(*"bcd")

    assert waits == ["queued", "queued"]
    assert await two.ended(*executions) == ["completed"] * 4
    assert (sorted(two.seen[:2]), two.seen[2:], two.most) == (["a", "b"], ["c", "d"], 2)


async def test_higher_priority_comes_first(two: Turns) -> None:
    order = [("a", 0), ("b", 0), ("low", -5), ("mid", 0), ("high", 5)]
    executions = [await two.start(n, busy(), priority=p) for n, p in order]
    await two.reached("a", "b")
    two.let("a")
    await two.reached("high")
    two.let("high")
    await two.reached("mid")
    two.let("b", "low", "mid")

    assert await two.ended(*executions) == ["completed"] * 5
    assert two.seen[2:] == ["high", "mid", "low"]


async def test_who_waits_does_not_count(two: Turns) -> None:
    asking = [await two.start(name, busy(ASK)) for name in "abcde"]
    for execution in asking:
        await waiting(two.house, execution)
    running = [await two.start(name, busy()) for name in "xy"]
    await two.reached("x", "y")
    two.let(*"abcdexy")
    for execution in asking:
        await answered(two.house, execution, "ask")

    assert await two.ended(*asking, *running) == ["completed"] * 7
    assert two.most == 2


async def test_who_was_answered_counts_again(two: Turns) -> None:
    asking = await two.start("a", busy(ASK))
    await waiting(two.house, asking)
    running = [await two.start(name, busy()) for name in "xy"]
    await two.reached("x", "y")
    await answered(two.house, asking, "ask")
    # It waits for its place from when it has heard of the answer.
    await happened(two.house, asking, EventType.EXECUTION_RESUMED)
    last = await two.start("z", busy())
    two.let("x")
    await two.reached("a")
    two.let(*"ayz")

    assert await two.ended(asking, *running, last) == ["completed"] * 4
    assert (sorted(two.seen[:2]), two.seen[2:], two.most) == (["x", "y"], ["a", "z"], 2)


async def test_a_branch_that_waits_beside_one_that_works_counts(two: Turns) -> None:
    """It is the execution that counts, and it can still go on."""
    definition = busy()
    branches = [ASK, *definition["steps"]]
    definition["steps"] = [{"id": "p", "type": "parallel", "steps": branches}]
    executions = [await two.start(name, definition) for name in "abc"]
    await two.reached("a", "b")
    assert sorted(two.seen) == ["a", "b"]
    two.let("a")
    await two.reached("c")  # now the first as a whole waits
    two.let("b", "c")
    for execution in executions:
        await answered(two.house, execution, "p.ask")

    assert await two.ended(*executions) == ["completed"] * 3
    assert two.most == 2


async def test_stopping_gives_the_place_back(two: Turns) -> None:
    """Whether it runs, or waits for its place."""
    executions = [await two.start(name, busy()) for name in "abcde"]
    await two.reached("a", "b")

    for n in (2, 0):
        await asyncio.wait_for(two.house.app.manager.stop(executions[n].id), 60)
    await two.reached("d")
    two.let(*"bde")

    ended = await two.ended(*executions)
    assert ended == ["cancelled", "completed", "cancelled", "completed", "completed"]
    assert (sorted(two.seen[:2]), two.seen[2:], two.most) == (["a", "b"], ["d", "e"], 2)


async def test_failures_panics_and_rollbacks_leave_the_places_as_they_were(two: Turns) -> None:
    """Afterwards there are two again: neither fewer nor more."""
    undo = {"id": "undo", "type": "python", "function": "note", "inputs": {"name": "undo"}}
    made = {**undo, "id": "made", "rollback": [undo]}
    bad = {"id": "bad", "type": "python", "function": "fail", "on_error": "rollback"}
    boom = {"id": "boom", "type": "python", "function": "boom"}

    async def boom_() -> None:
        raise MemoryError

    two.house.app.function("boom", boom_)
    failing = {"name": "f", "steps": [made, bad]}
    panicking = {"name": "p", "panic": {"delay": "5ms", "max_restarts": 1}, "steps": [boom]}
    sleeping = {"name": "s", "steps": [{"id": "s", "type": "sleep", "duration": "5ms"}]}
    for definition in (failing, panicking, sleeping) * 2:
        await two.house.run(definition)

    executions = [await two.start(name, busy()) for name in "abc"]
    await two.reached("a", "b")
    two.let(*"abc")

    assert await two.ended(*executions) == ["completed"] * 3
    assert two.most == 2


async def test_items_of_a_foreach_are_one_execution(two: Turns) -> None:
    definition = busy()
    each = {"id": "each", "type": "foreach", "items": "[1, 2, 3, 4]", "steps": definition["steps"]}
    execution = await two.start("a", {**definition, "steps": [each]})
    await two.reached("a")
    two.let("a")

    assert await two.ended(execution) == ["completed"]
    assert two.most == 4


async def test_what_is_let_go_of_gives_the_place_back(tmp_path: Path) -> None:
    """One place, executions that wait for it, and a process that ends: all go on in the next."""
    async with open_house(tmp_path) as house:
        one = limited(house, 1)
        executions = [await one.start(name, busy()) for name in "abc"]
        await one.reached("a")

    async with open_house(tmp_path) as house:
        again = limited(house, 1)
        again.let(*"abc")
        house.app.manager.serve()
        ended = await again.ended(*executions)

    assert (one.seen, ended) == (["a"], ["completed"] * 3)
    assert (sorted(again.seen), again.most) == (["a", "b", "c"], 1)
