"""Executions with one concurrency key: who runs, who waits, who is refused or replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.graphs.errors import AssayError, ConcurrencyLimit
from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.lease import Message

from ..running import House, open_house, statuses
from .asking import answered, open_questions
from .lasting import events, happened, heard, types
from .turns import ASK, Turns, alone, waiting

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]


@pytest.fixture
def turns(house: House) -> Turns:
    return Turns(house)


@pytest.fixture
def _nobody_sweeps(house: House) -> None:
    """Whoever is next is told, and does not have to look."""
    store = house.app.manager.store
    store.pace = replace(store.pace, sweep=3600.0)


@pytest.mark.usefixtures("_nobody_sweeps")
async def test_they_come_one_after_another_in_order_of_arrival(turns: Turns) -> None:
    executions = [await turns.start(name) for name in "abcd"]
    await turns.reached("a")
    before = await turns.slots(*executions)
    turns.let(*"abcd")

    assert await turns.ended(*executions) == ["completed"] * 4
    assert before == "0 | 1 2 3"
    assert (turns.seen, turns.most) == (["a", "b", "c", "d"], 1)
    assert await turns.slots() == "|"


async def test_higher_priority_comes_first(turns: Turns) -> None:
    order = [("a", 0), ("low", -1), ("b", 0), ("high", 7), ("c", 0), ("top", 7)]
    executions = [await turns.start(name, priority=priority) for name, priority in order]
    turns.let(*(name for name, _ in order))

    assert await turns.ended(*executions) == ["completed"] * 6
    assert turns.seen == ["a", "high", "top", "b", "c", "low"]


async def test_so_many_at_once_as_the_limit_says(turns: Turns) -> None:
    executions = [await turns.start(name, alone(limit=2)) for name in "abcde"]
    await turns.reached("a", "b")
    turns.let("a")
    await turns.reached("c")
    turns.let("b")
    await turns.reached("d")
    turns.let(*"cde")

    assert await turns.ended(*executions) == ["completed"] * 5
    assert sorted(turns.seen[:2]) == ["a", "b"]
    assert (turns.seen[2:], turns.most) == (["c", "d", "e"], 2)


async def test_other_keys_are_other_queues(turns: Turns) -> None:
    """A key is text made of inputs; without one, all of a workflow share."""
    by_name = alone(key="on {{ inputs.name }}")
    executions = [
        await turns.start("a", by_name),
        await turns.start("b", by_name),
        await turns.start("c", alone(name="x")),
        await turns.start("d", alone(name="y")),
    ]
    await turns.reached(*"abcd")
    keys = {slot.key for slot in await turns.house.app.manager.slots()}
    turns.let(*"abcd")

    assert await turns.ended(*executions) == ["completed"] * 4
    assert keys == {"on a", "on b", "x", "y"}


async def test_workflows_may_share_a_key(turns: Turns) -> None:
    first = await turns.start("a", alone(name="x", key="shared"))
    second = await turns.start("b", alone(name="y", key="shared"))
    await turns.reached("a")

    assert await turns.slots(first, second, key="shared") == "0 | 1"
    turns.let("a", "b")
    assert await turns.ended(first, second) == ["completed"] * 2
    assert turns.most == 1


async def test_a_key_that_cannot_be_made_starts_nothing(turns: Turns) -> None:
    definition = alone(key="{{ inputs.name + 1 }}")

    with pytest.raises(AssayError, match="inputs"):
        await turns.start("a", definition)

    assert (await turns.house.app.manager.executions()).items == []
    assert await turns.slots() == "|"


async def test_one_too_many_is_refused_and_leaves_nothing_behind(turns: Turns) -> None:
    definition = alone(overflow="reject")
    first = await turns.start("a", definition)

    with pytest.raises(ConcurrencyLimit, match="'w'"):
        await turns.start("b", definition)

    manager = turns.house.app.manager
    assert [e.id for e in (await manager.executions()).items] == [first.id]
    assert await turns.slots(first) == "0 |"
    turns.let("a", "c")
    await turns.ended(first)
    assert await turns.ended(await turns.start("c", definition)) == ["completed"]
    assert turns.seen == ["a", "c"]


@pytest.mark.usefixtures("_nobody_sweeps")
async def test_the_newcomer_replaces_who_runs(turns: Turns) -> None:
    definition = alone(overflow="replace")
    first = await turns.start("a", definition)
    await turns.reached("a")
    second = await turns.start("b", definition)
    await turns.reached("b")
    turns.let("b")

    assert await turns.ended(first, second) == ["cancelled", "completed"]
    assert turns.most == 1


async def test_who_waits_for_an_answer_is_replaced_too(turns: Turns) -> None:
    definition = alone(ASK, overflow="replace")
    first = await turns.start("a", definition)
    await waiting(turns.house, first)
    second = await turns.start("b", definition)
    turns.let("b")

    assert await turns.ended(first) == ["cancelled"]
    assert await open_questions(turns.house, first) == []
    await answered(turns.house, second, "ask")
    assert await turns.ended(second) == ["completed"]


async def test_what_is_replaced_is_undone_before_the_newcomer_begins(turns: Turns) -> None:
    undo = {"id": "undo", "type": "python", "function": "note", "inputs": {"name": "undo"}}
    made = {**undo, "id": "made", "inputs": {"name": "made"}, "rollback": [undo]}
    definition = {
        **alone(made, overflow="replace"),
        "error_handling": {"default": "rollback"},
    }
    first = await turns.start("a", definition)
    await turns.reached("a")
    second = await turns.start("b", definition)
    turns.let("b")

    assert await turns.ended(first, second) == ["cancelled", "completed"]
    assert turns.seen == ["made", "a", "undo", "made", "b"]


async def test_the_last_newcomer_replaces_those_who_wait_as_well(turns: Turns) -> None:
    """Only the newest is of interest: what never began need not begin."""
    definition = alone(overflow="replace")
    executions = [await turns.start(name, definition) for name in "abc"]
    turns.let("b", "c")

    assert await turns.ended(*executions) == ["cancelled", "cancelled", "completed"]
    assert "b" not in turns.seen


async def test_a_slot_is_kept_while_its_execution_waits(turns: Turns) -> None:
    executions = [await turns.start(name, alone(ASK)) for name in "ab"]
    turns.let("a", "b")
    await waiting(turns.house, executions[0])
    slots = await turns.slots(*executions)
    await answered(turns.house, executions[0], "ask")
    await answered(turns.house, executions[1], "ask")

    assert slots == "0 | 1"
    assert await turns.ended(*executions) == ["completed"] * 2
    assert turns.seen == ["a", "b"]


async def test_a_slot_held_only_while_running_is_given_back(turns: Turns) -> None:
    """And asked for again: who was answered first may have to wait its turn."""
    executions = [await turns.start(name, alone(ASK, hold="running")) for name in "abc"]
    for execution in executions:
        await waiting(turns.house, execution)
    slots = await turns.slots()
    for execution in reversed(executions):
        await answered(turns.house, execution, "ask")
    turns.let(*"abc")

    assert slots == "|"
    assert await turns.ended(*executions) == ["completed"] * 3
    assert turns.most == 1


async def test_a_paused_execution_keeps_its_slot(turns: Turns) -> None:
    later = {**alone()["steps"][0], "id": "later"}
    definition = {**alone(), "steps": [*alone()["steps"], later]}
    first = await turns.start("a", definition)
    await turns.reached("a")
    second = await turns.start("b", definition)
    await turns.house.app.manager.pause(first.id)
    await heard(turns.house)
    turns.let("a", "b")
    await turns.house.app.manager.wait(first.id, until=(Status.PAUSED,))

    assert await turns.slots(first, second) == "0 | 1"
    await turns.house.app.resume(first.id)
    assert await turns.ended(first, second) == ["completed"] * 2
    assert turns.seen == ["a", "a", "b", "b"]


@pytest.mark.usefixtures("_nobody_sweeps")
async def test_stopping_one_that_waits_its_turn(turns: Turns) -> None:
    """It never began, and who stands behind it moves up."""
    executions = [await turns.start(name) for name in "abc"]
    await turns.reached("a")

    stopped = await turns.house.app.manager.stop(executions[1].id)
    slots = await turns.slots(*executions)
    turns.let("a", "c")

    assert (stopped.status, stopped.started_at, dict(stopped.steps)) == ("cancelled", None, {})
    assert slots == "0 | 2"
    assert await turns.ended(*executions) == ["completed", "cancelled", "completed"]
    assert turns.seen == ["a", "c"]
    said = types(await events(turns.house, executions[1]))
    assert said == ["ExecutionQueued", "ExecutionCancelled"]


@pytest.mark.usefixtures("_nobody_sweeps")
async def test_stopping_the_holder_lets_the_next_begin(turns: Turns) -> None:
    first, second = await turns.start("a"), await turns.start("b")
    await turns.reached("a")

    await turns.house.app.manager.stop(first.id)
    turns.let("b")

    assert await turns.ended(first, second) == ["cancelled", "completed"]


async def test_pausing_one_that_waits_its_turn(turns: Turns) -> None:
    """When its turn comes no step begins; it holds the slot, for it has begun."""
    first, second = await turns.start("a"), await turns.start("b")
    await turns.house.app.manager.pause(second.id)
    turns.let("a", "b")
    await turns.ended(first)
    await turns.house.app.manager.wait(second.id, until=(Status.PAUSED,))

    assert turns.seen == ["a"]
    await turns.house.app.resume(second.id)
    assert await turns.ended(second) == ["completed"]


async def test_a_pause_is_heard_before_the_first_step_by_whoever_reads_slowly(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = turns.house.app.manager.store
    read = store.inbox

    async def slow(worker: str) -> Sequence[Message]:
        await asyncio.sleep(0.2)
        return await read(worker)

    await turns.start("a")
    second = await turns.start("b")
    await turns.house.app.manager.pause(second.id)
    monkeypatch.setattr(store, "inbox", slow)
    turns.let("a", "b")
    await turns.house.app.manager.wait(second.id, until=(Status.PAUSED,))

    assert turns.seen == ["a"]


async def test_the_holder_goes_away_and_its_slot_waits_for_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        turns = Turns(house)
        first, second = await turns.start("a"), await turns.start("b")
        await turns.reached("a")

    async with open_house(tmp_path) as house:
        turns = Turns(house)
        third = await turns.start("c")
        slots = await turns.slots(first, second, third)
        turns.let(*"abc")
        house.app.manager.serve()
        ended = await turns.ended(first, second, third)

    assert slots == "0 | 1 2"
    assert ended == ["completed"] * 3
    assert (turns.seen, turns.most) == (["a", "b", "c"], 1)


async def test_who_is_resumed_before_its_turn_still_waits(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        turns = Turns(house)
        first, second = await turns.start("a"), await turns.start("b")
        await turns.reached("a")

    async with open_house(tmp_path) as house:
        turns = Turns(house)
        turns.let("a", "b")
        await house.app.resume(second.id)
        between = await house.app.manager.get(second.id)
        await house.app.resume(first.id)
        ended = await turns.ended(first, second)

    assert (between.status, ended) == ("queued", ["completed"] * 2)
    assert (turns.seen, turns.most) == (["a", "b"], 1)


async def test_two_processes_share_a_key(tmp_path: Path) -> None:
    """Each drives its own, and is told by the store when its turn has come."""
    async with open_house(tmp_path) as one, open_house(tmp_path) as two:
        ones, twos = Turns(one), Turns(two)
        first, second = await ones.start("a"), await twos.start("b")
        await ones.reached("a")
        slots = await twos.slots(first, second)
        ones.let("a")
        twos.let("b")
        ended = [*await ones.ended(first), *await twos.ended(second)]

    assert (slots, ended) == ("0 | 1", ["completed"] * 2)
    assert (ones.seen, twos.seen) == (["a"], ["b"])


async def test_a_retry_waits_its_turn_like_everyone(house: House, turns: Turns) -> None:
    failing = {**alone(), "steps": [*alone()["steps"], {"id": "bad", "type": "python"}]}
    failing["steps"][1] |= {"function": "fail"}
    turns.let("a")
    failed = await turns.start("a", failing)
    assert await turns.ended(failed) == ["failed"]
    holder = await turns.start("b")
    await turns.reached("b")

    again = await house.app.manager.retry(failed.id)
    slots = await turns.slots(holder, again)
    turns.let("b")

    assert slots == "0 | 1"
    assert await turns.ended(holder, again) == ["completed", "failed"]
    assert turns.seen == ["a", "", "b", ""]


async def test_a_fork_is_refused_where_a_start_is(house: House, turns: Turns) -> None:
    definition = alone(overflow="reject", key="{{ inputs.name }}")
    running = await turns.start("a", definition)
    await happened(house, running, EventType.STEP_STARTED, "turn")

    with pytest.raises(ConcurrencyLimit):
        await house.app.manager.fork(running.id, "turn")
    other = await house.app.manager.fork(running.id, "turn", inputs={"name": "b"})
    turns.let("a", "b")

    assert await turns.ended(running, other) == ["completed"] * 2
    assert len((await house.app.manager.executions()).items) == 2


async def test_a_child_shares_its_parents_place(house: House, turns: Turns) -> None:
    """A child runs inside the execution of its parent: its own key is not asked for."""
    child = {**alone(key="child"), "name": "child"}
    await house.app.register(child)
    call = {"id": "c", "type": "workflow", "workflow": "child"}
    parent = {**alone(), "name": "parent", "steps": [{**call, "inputs": {"name": "a"}}]}
    del parent["concurrency"]
    turns.let("a")

    execution = await house.run(parent, {"name": "a"})

    assert statuses(execution) == {"c.turn": "completed", "c": "completed"}


async def test_who_never_began_says_when_it_was_queued_and_when_it_began(turns: Turns) -> None:
    first, second = await turns.start("a"), await turns.start("b")
    await turns.reached("a")
    queued = await events(turns.house, second)
    turns.let("a", "b")
    began = await happened(turns.house, second, EventType.EXECUTION_STARTED)
    await turns.ended(first, second)
    execution = await turns.house.app.manager.get(second.id)

    assert types(queued) == ["ExecutionQueued"]
    assert execution.created_at < (execution.started_at or "") <= began.at
