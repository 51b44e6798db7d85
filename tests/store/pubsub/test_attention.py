"""A process is sent events only while somebody in it listens: each that is sent costs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from google.pubsub_v1.types import Subscription
from tests.emulators import Emulators
from tests.proxy import Proxy

from assay.graphs.event import Event, EventType
from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.client import Client
from assay.store.pubsub.names import CONTROL, EVENTS, own

pytestmark = pytest.mark.anyio


def event(seq: int) -> Event:
    return Event("e", EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {}, seq)


async def subscribed(client: Client, bus: PubSubBus) -> bool:
    return await client.topic_of(own(EVENTS, bus.origin)) is not None


async def gone(client: Client, bus: PubSubBus) -> None:
    async with asyncio.timeout(60):
        while True:
            if not await subscribed(client, bus):
                return
            await asyncio.sleep(0.02)


async def test_there_is_a_subscription_for_as_long_as_anybody_listens(
    project: str, stranger: Client
) -> None:
    bus = await PubSubBus.open(project, linger=0.02)
    bus.publish([event(1)])
    assert await bus.flush()
    assert not await subscribed(stranger, bus)
    assert await stranger.topic_of(own(CONTROL, bus.origin)) == CONTROL

    first, second = bus.subscribe("e"), bus.subscribe()
    assert await bus.hears(60)
    assert await subscribed(stranger, bus)
    await first.aclose()
    await asyncio.sleep(0.1)  # more often than it looks whether anybody still listens
    assert await subscribed(stranger, bus)
    await second.aclose()
    await gone(stranger, bus)

    again = bus.subscribe("e")
    assert await bus.hears(60)
    assert await subscribed(stranger, bus)
    del again  # who just stops listening need not say so
    await gone(stranger, bus)

    kept = bus.subscribe("e")
    assert await bus.hears(60)
    await bus.close()
    assert not await subscribed(stranger, bus)
    await kept.aclose()


async def test_who_listens_again_hears_what_is_said_from_then_on(
    project: str, stranger: Client
) -> None:
    one = await PubSubBus.open(project)
    other = await PubSubBus.open(project, linger=0.02)
    for seq in (1, 5, 9):  # with gaps: it was not there in between
        listener = other.subscribe("e")
        assert await other.hears(60)
        one.publish([event(seq)])
        async with asyncio.timeout(60):
            assert await anext(listener) == event(seq)
        await listener.aclose()
        one.publish([event(seq + 1)])
        assert await one.flush()
        await gone(stranger, other)
    await one.close()
    await other.close()


async def test_who_listens_to_its_own_process_alone_is_sent_nothing(
    project: str, stranger: Client
) -> None:
    one, other = await PubSubBus.open(project), await PubSubBus.open(project)
    here, everything = one.here(), one.subscribe()
    assert await one.hears(60)
    other.publish([event(1)])
    async with asyncio.timeout(60):
        assert await anext(everything) == event(1)
    one.publish([event(2)])
    async with asyncio.timeout(60):
        assert await anext(here) == event(2)
        assert await anext(everything) == event(2)
    alone = other.here()
    assert not await other.hears(0.2)
    assert not await subscribed(stranger, other)
    await alone.aclose()
    await one.close()
    await other.close()


async def test_the_subscription_of_a_process_that_died_expires(
    project: str, stranger: Client
) -> None:
    bus = await PubSubBus.open(project)
    listener = bus.subscribe()
    assert await bus.hears(60)
    for topic in (EVENTS, CONTROL):
        found: Subscription = await stranger._subscriber.get_subscription(
            subscription=stranger._subscription(own(topic, bus.origin))
        )
        assert found.expiration_policy.ttl == timedelta(days=1)
    await listener.aclose()
    await bus.close()


async def test_nobody_waits_for_a_pub_sub_that_is_away_and_it_is_heard_once_it_is_back(
    emulated: Emulators, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = emulated.pubsub.rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        one = await PubSubBus.open(project)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.address)
        other = await PubSubBus.open(project)
        proxy.cut()
        listener = other.subscribe("e")
        assert not await other.hears(0.2)
        proxy.restore()
        assert await other.hears(60)
        one.publish([event(1)])
        async with asyncio.timeout(60):
            assert await anext(listener) == event(1)
        await other.close()
        await one.close()
