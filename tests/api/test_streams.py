"""A follower hears every durable event once and in order, and live ones in their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.api.app import open_app
from assay.api.streams import HELD, Order, follow
from assay.graphs.event import Event, EventType

MANY = {
    "name": "many",
    "inputs": {"items": {"type": "array"}},
    "steps": [
        {
            "id": "each",
            "type": "foreach",
            "items": "inputs.items",
            "concurrency": 50,
            "steps": [{"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "x"}}],
        }
    ],
}
LOUD = {
    "name": "loud",
    "steps": [{"id": "say", "type": "shell", "command": "echo one; echo two"}],
}


@pytest.mark.anyio
async def test_a_reader_that_falls_far_behind_still_hears_everything_durable(
    tmp_path: Path,
) -> None:
    """More events than the bus holds for it happen while it does not listen."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        execution = await app.start(MANY, {"items": list(range(600))})
        events = follow(app.manager, execution.id)
        told = [await anext(events)]
        await app.wait(execution.id)
        told += [event async for event in events]
    durable = [event.seq for event in told if not event.type.live]
    assert len(durable) > 1200
    assert durable == list(range(1, len(durable) + 1))
    assert told[-1].type is EventType.EXECUTION_COMPLETED


@pytest.mark.anyio
async def test_what_a_step_says_comes_after_its_start_and_before_its_end(tmp_path: Path) -> None:
    """Also for who begins to read when everything has been said."""
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        heard = app.manager.follow()
        other = await app.start(LOUD)
        execution = await app.start(LOUD)
        await app.wait(other.id)
        await app.wait(execution.id)
        told = [event async for event in follow(app.manager, execution.id, heard=heard)]
    assert {event.execution_id for event in told} == {execution.id}
    said = [event.type for event in told if event.path == "say"]
    assert said[0] is EventType.STEP_STARTED
    assert said[-1] is EventType.STEP_COMPLETED
    text = "".join(e.data["text"] for e in told if e.type is EventType.OUTPUT)
    assert text == "one\ntwo\n"


@pytest.mark.anyio
async def test_an_execution_that_has_ended_is_told_from_the_store(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        execution = await app.run(LOUD)
        told = [event.seq async for event in follow(app.manager, execution.id)]
    assert told == list(range(1, 6))


@pytest.mark.anyio
async def test_what_another_process_says_is_read_from_the_store(tmp_path: Path) -> None:
    async with (
        open_app(home=tmp_path, workspace=tmp_path) as mine,
        open_app(home=tmp_path, workspace=tmp_path) as its,
    ):
        execution = await its.start(LOUD)
        told = [event.seq async for event in follow(mine.manager, execution.id)]
    assert told == list(range(1, 6))


@pytest.mark.anyio
async def test_what_is_known_is_not_told_again(tmp_path: Path) -> None:
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        execution = await app.run(LOUD)
        told = [event.seq async for event in follow(app.manager, execution.id, after=3)]
    assert told == [4, 5]


def _event(type: EventType, seq: int = 0, path: str = "", **data: Any) -> Event:
    return Event("id", type, "2026-01-01T00:00:00Z", path, data, seq)


@given(st.lists(st.integers(1, 8), max_size=30))
def test_what_comes_twice_is_told_once(arrivals: list[int]) -> None:
    order = Order()
    told = [e.seq for n in arrivals for e in order.next(_event(EventType.NOTICE, n))]
    assert told == sorted(set(told))


def test_a_step_that_speaks_before_its_start_is_durable_is_heard_after_it() -> None:
    order = Order()
    early = _event(EventType.OUTPUT, path="a", text="hello")
    start = _event(EventType.STEP_STARTED, 1, "a")
    assert list(order.next(early)) == []
    assert list(order.next(start)) == [start, early]
    assert list(order.next(early)) == [early]


@pytest.mark.anyio
async def test_who_comes_back_in_the_middle_of_a_step_hears_what_it_says_before_its_end(
    tmp_path: Path,
) -> None:
    waits = "until test -e go; do sleep 0.02; done; echo one"
    definition = {"name": "w", "steps": [{"id": "say", "type": "shell", "command": waits}]}
    async with open_app(home=tmp_path, workspace=tmp_path) as app:
        execution = await app.start(definition)
        async with aclosing(follow(app.manager, execution.id)) as first:
            started = [e async for e in _until(first, EventType.STEP_STARTED)][-1]
        again = follow(app.manager, execution.id, after=started.seq)
        upcoming = asyncio.ensure_future(anext(again))
        while not app.manager.services.bus.wanted(execution.id):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (tmp_path / "go").touch()
        told = [await upcoming, *[event async for event in again]]
    said = [event.type for event in told if event.path == "say"]
    assert said == [EventType.OUTPUT, EventType.STEP_COMPLETED]


def test_of_what_is_said_too_early_only_so_much_is_held() -> None:
    order = Order()
    for number in range(3 * HELD):
        assert list(order.next(_event(EventType.TOKEN, path="a", text=str(number)))) == []
    start = _event(EventType.STEP_STARTED, 1, "a")
    assert len(list(order.next(start))) == 1 + HELD
    assert list(order.next(_event(EventType.TOKEN, path="b"))) == []
    assert len(list(order.next(_event(EventType.STEP_STARTED, 2, "b")))) == 2


def test_of_steps_that_have_ended_only_so_many_are_remembered() -> None:
    order = Order()
    for number in range(3 * HELD):
        path = str(number)
        for at, type in enumerate((EventType.STEP_STARTED, EventType.STEP_COMPLETED), 1):
            assert len(list(order.next(_event(type, 2 * number + at, path)))) == 1
        assert len(list(order.next(_event(EventType.TOKEN, path=path)))) == 1
    assert order.remembered <= HELD


async def _until(events: AsyncIterator[Event], type: EventType) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if event.type is type:
            return
