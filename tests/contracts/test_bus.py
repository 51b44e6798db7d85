"""What every `EventBus` owes, whatever it is made of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from assay.graphs.event import Event, EventType
from assay.store.bus import LocalBus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from assay.graphs.ports import EventBus

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["local"])
def bus() -> EventBus:
    return LocalBus()


def event(execution_id: str, seq: int) -> Event:
    return Event(execution_id, EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {"n": seq}, seq)


async def heard(listener: AsyncIterator[Event], count: int) -> list[Event]:
    """The next `count` events, as soon as they are there."""
    async with asyncio.timeout(10):
        return [await anext(listener) for _ in range(count)]


async def test_a_subscription_begins_when_subscribe_returns(bus: EventBus) -> None:
    bus.publish([event("e", 1)])
    listener = bus.subscribe("e")
    bus.publish([event("e", 2)])
    assert await heard(listener, 1) == [event("e", 2)]


async def test_a_listener_that_waits_is_woken(bus: EventBus) -> None:
    waiting = asyncio.ensure_future(heard(bus.subscribe("e"), 2))
    await asyncio.sleep(0)  # it waits now
    bus.publish([event("e", 1)])
    bus.publish([event("e", 2)])
    assert await waiting == [event("e", 1), event("e", 2)]


async def test_events_arrive_as_they_were_and_in_order(bus: EventBus) -> None:
    listener = bus.subscribe("e")
    sent = [event("e", seq) for seq in range(1, 101)]
    for first in range(0, 100, 10):
        bus.publish(sent[first : first + 10])
    assert await heard(listener, 100) == sent


async def test_a_listener_hears_its_execution_only(bus: EventBus) -> None:
    mine, all_of_them = bus.subscribe("mine"), bus.subscribe()
    sent = [event("mine", 1), event("other", 1), event("mine", 2)]
    bus.publish(sent)
    assert await heard(mine, 2) == [sent[0], sent[2]]
    assert await heard(all_of_them, 3) == sent


async def test_every_listener_hears_every_event(bus: EventBus) -> None:
    listeners = [bus.subscribe("e") for _ in range(3)]
    bus.publish([event("e", 1)])
    for listener in listeners:
        assert await heard(listener, 1) == [event("e", 1)]


async def test_live_events_are_carried_too(bus: EventBus) -> None:
    listener = bus.subscribe("e")
    token = Event("e", EventType.TOKEN, "2026-01-01T00:00:00Z", "a", {"text": "é"})
    bus.publish([token])
    assert await heard(listener, 1) == [token]


async def test_publishing_does_not_wait_for_a_listener_that_is_slow(bus: EventBus) -> None:
    """And the last event reaches it, however many it missed."""
    listener = bus.subscribe("e")
    async with asyncio.timeout(10):
        for seq in range(1, 5001):
            bus.publish([event("e", seq)])
        async for each in listener:
            if each.seq == 5000:
                break
