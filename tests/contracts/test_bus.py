"""What every `EventBus` owes, whatever it is made of."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from assay.graphs.event import Event, EventType
from assay.store.buses import connect_bus, setup_bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from assay.graphs.ports import EventBus

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Line:
    """Where events are published, and where they are heard: in one process, or in two."""

    near: EventBus
    far: EventBus

    async def listen(self, execution_id: str | None = None) -> AsyncIterator[Event]:
        """To what is published from now on."""
        listener = self.far.subscribe(execution_id)
        assert await self.far.hears(60)
        return listener


@pytest.fixture(params=["local", "pubsub", "pubsub, two processes"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    url = "local"
    if request.param != "local":
        request.getfixturevalue("emulated")
        url = f"pubsub://test-{secrets.token_hex(8)}"
    await setup_bus(url)
    async with connect_bus(url) as near:
        if "two" not in request.param:
            yield Line(near, near)
            return
        async with connect_bus(url) as far:
            yield Line(near, far)


def event(execution_id: str, seq: int) -> Event:
    return Event(execution_id, EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {"n": seq}, seq)


async def heard(listener: AsyncIterator[Event], count: int) -> list[Event]:
    """The next `count` events, as soon as they are there."""
    async with asyncio.timeout(60):
        return [await anext(listener) for _ in range(count)]


async def test_a_subscription_begins_when_subscribe_returns(line: Line) -> None:
    earlier = await line.listen("e")
    line.near.publish([event("e", 1)])
    assert await heard(earlier, 1) == [event("e", 1)]  # it is not under way any more
    listener = await line.listen("e")
    line.near.publish([event("e", 2)])
    assert await heard(listener, 1) == [event("e", 2)]


async def test_a_listener_that_waits_is_woken(line: Line) -> None:
    waiting = asyncio.ensure_future(heard(await line.listen("e"), 2))
    await asyncio.sleep(0)  # it waits now
    line.near.publish([event("e", 1)])
    line.near.publish([event("e", 2)])
    assert await waiting == [event("e", 1), event("e", 2)]


async def test_events_arrive_as_they_were_and_in_order(line: Line) -> None:
    listener = await line.listen("e")
    sent = [event("e", seq) for seq in range(1, 101)]
    for first in range(0, 100, 10):
        line.near.publish(sent[first : first + 10])
    assert await heard(listener, 100) == sent


async def test_a_listener_hears_its_execution_only(line: Line) -> None:
    mine, all_of_them = await line.listen("mine"), await line.listen()
    sent = [event("mine", 1), event("other", 1), event("mine", 2)]
    line.near.publish(sent)
    assert await heard(mine, 2) == [sent[0], sent[2]]
    every = await heard(all_of_them, 3)
    assert [e for e in every if e.execution_id == "mine"] == [sent[0], sent[2]]
    assert sent[1] in every


async def test_every_listener_hears_every_event(line: Line) -> None:
    listeners = [await line.listen("e") for _ in range(3)]
    line.near.publish([event("e", 1)])
    for listener in listeners:
        assert await heard(listener, 1) == [event("e", 1)]


async def test_live_events_are_carried_too(line: Line) -> None:
    listener = await line.listen("e")
    token = Event("e", EventType.TOKEN, "2026-01-01T00:00:00Z", "a", {"text": "é"})
    line.near.publish([token])
    assert await heard(listener, 1) == [token]


async def test_publishing_does_not_wait_for_a_listener_that_is_slow(line: Line) -> None:
    """And the last event reaches it, however many it missed."""
    listener = await line.listen("e")
    async with asyncio.timeout(60):
        for seq in range(1, 5001):
            line.near.publish([event("e", seq)])
        async for each in listener:
            if each.seq == 5000:
                break


async def test_what_is_told_reaches_every_process_also_the_teller(line: Line) -> None:
    near, far = line.near.told(), line.far.told()
    line.near.tell({"execution": "e1"})
    async with asyncio.timeout(60):
        assert await anext(near) == await anext(far) == {"execution": "e1"}
