"""What the bus within one process does beside its port."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from assay.graphs.event import Event, EventType
from assay.store.bus import LocalBus, Subscription

pytestmark = pytest.mark.anyio


def durable(seq: int) -> Event:
    return Event("e", EventType.NOTICE, "", seq=seq)


TOKEN = Event("e", EventType.TOKEN, "")


async def remaining(subscription: Subscription, count: int) -> list[int]:
    async with asyncio.timeout(60):
        return [(await anext(subscription)).seq for _ in range(count)]


async def test_a_slow_listener_keeps_the_latest_durable_events() -> None:
    bus = LocalBus(capacity=3)
    listener = bus.subscribe("e")
    bus.publish([durable(seq) for seq in range(1, 6)])
    assert await remaining(listener, 3) == [3, 4, 5]


async def test_live_events_never_push_out_durable_ones() -> None:
    bus = LocalBus(capacity=3)
    listener = bus.subscribe("e")
    bus.publish([durable(1), TOKEN, durable(2), TOKEN, TOKEN])
    assert await remaining(listener, 3) == [1, 0, 2]


async def test_one_slow_listener_costs_the_others_nothing() -> None:
    bus = LocalBus(capacity=2)
    bus.subscribe("e")
    quick = bus.subscribe("e")
    for seq in range(1, 10):
        bus.publish([durable(seq)])
        assert await remaining(quick, 1) == [seq]


async def test_closing_ends_a_listener_that_waits() -> None:
    listener = LocalBus().subscribe()

    async def listen() -> list[Event]:
        return [event async for event in listener]

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(0)  # it waits now
    await listener.aclose()
    async with asyncio.timeout(60):
        assert await listening == []


async def test_nothing_is_held_for_a_listener_that_closed() -> None:
    bus = LocalBus()
    listener = bus.subscribe("e")
    bus.publish([durable(1)])
    await listener.aclose()
    bus.publish([durable(2)])
    with pytest.raises(StopAsyncIteration):
        await anext(listener)


async def test_a_listener_that_was_let_go_leaves_nothing_behind() -> None:
    bus = LocalBus()
    listener = bus.subscribe("e")
    bus.publish([durable(1)])
    trace = weakref.ref(listener)
    del listener
    gc.collect()
    assert trace() is None
    bus.publish([durable(2)])
