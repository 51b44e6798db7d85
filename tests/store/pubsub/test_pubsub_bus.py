"""Between processes: the doorbell, control messages, copies, and what nobody can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeVar

import pytest

from assay.graphs.event import Event, EventType
from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.client import Client, Received
from assay.store.pubsub.envelope import Letter, seal_control, seal_event, seal_ring
from assay.store.pubsub.names import CONTROL, DEAD, EVENTS, WORK, own

pytestmark = pytest.mark.anyio

T = TypeVar("T")
Two = tuple[PubSubBus, PubSubBus]


def event(seq: int, execution_id: str = "e") -> Event:
    kind = EventType.NOTICE if seq else EventType.TOKEN
    return Event(execution_id, kind, "2026-01-01T00:00:00Z", "a", {"n": seq}, seq)


async def heard(listener: AsyncIterator[T], count: int) -> list[T]:
    async with asyncio.timeout(60):
        return [await anext(listener) for _ in range(count)]


async def dead_letters(client: Client, count: int) -> list[Received]:
    """The next ones, in whatever order."""
    found: list[Received] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            received = await client.pull(DEAD, 100)
            if received:
                await client.acknowledge(DEAD, received)
            found += received
    return found


async def test_what_a_process_says_it_hears_once_and_is_no_gap(two_buses: Two) -> None:
    one, other = two_buses
    one._order._patience = 60  # what were taken for a gap would not be heard in time
    mine, theirs = one.subscribe("e"), other.subscribe("e")
    assert await one.hears(60)
    assert await other.hears(60)
    one.publish([event(1), event(0)])
    assert await heard(theirs, 2) == [event(1), event(0)]
    other.publish([event(2)])
    assert await heard(mine, 3) == [event(1), event(0), event(2)]  # it went past its own echo


async def test_copies_and_disorder_of_the_network_are_not_heard(
    two_buses: Two, stranger: Client
) -> None:
    listener = two_buses[0].subscribe("e")
    assert await two_buses[0].hears(60)
    for seq in (1, 3, 1, 2, 3, 0, 0, 4):
        letter = replace(seal_event(event(seq), "p1", 1), key="")
        await stranger.publish(EVENTS, [letter])
    events = await heard(listener, 5)
    assert [e for e in events if e.seq] == [event(seq) for seq in (1, 2, 3, 4)]
    assert events.count(event(0)) == 1


async def test_a_ring_is_heard_by_one_of_those_who_wait(two_buses: Two) -> None:
    one, other = two_buses
    heard_by: dict[str, list[str]] = {"one": [], "other": []}
    everything = asyncio.Event()

    async def listen(name: str, bus: PubSubBus) -> None:
        async for execution_id in bus.rings():
            heard_by[name].append(execution_id)
            if sum(map(len, heard_by.values())) == 20:
                everything.set()

    listening = [asyncio.create_task(listen(*each)) for each in (("one", one), ("other", other))]
    for number in range(20):
        one.ring(f"e{number}")
    async with asyncio.timeout(60):
        await everything.wait()
    assert sorted(heard_by["one"] + heard_by["other"]) == sorted(f"e{n}" for n in range(20))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_a_ring_waits_for_a_worker_and_is_acknowledged_once_it_is_taken(
    two_buses: Two, stranger: Client
) -> None:
    """So is one that nobody can read."""
    one, other = two_buses
    await stranger.publish(WORK, [Letter(b"hello")])
    one.ring("e")
    assert await one.flush()
    rings = other.rings()
    assert await heard(rings, 1) == ["e"]
    await rings.aclose()
    other_rings = one.rings()
    with pytest.raises(TimeoutError):  # longer than Pub/Sub would wait for its acknowledgement
        async with asyncio.timeout(11):
            await anext(other_rings)
    assert await one.flush()
    assert await other.flush()
    assert len(await stranger.pull(DEAD, 10)) == 1


async def test_a_worker_that_stops_waiting_loses_no_ring(two_buses: Two) -> None:
    one, other = two_buses
    rings = other.rings()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(rings)
    one.ring("e")
    assert await heard(rings, 1) == ["e"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(rings)
    one.ring("f")
    assert rings._fetching
    await asyncio.wait({rings._fetching}, timeout=60)  # and nobody takes it
    await rings.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(rings)
    async with asyncio.timeout(5):  # sooner than Pub/Sub alone would give it to another
        assert await anext(one.rings()) == "f"


async def test_a_control_message_reaches_every_process_and_its_own_once(
    two_buses: Two, stranger: Client
) -> None:
    one, other = two_buses
    near, far = one.told(), other.told()
    one.tell({"drain": "w1"})
    assert await heard(near, 1) == await heard(far, 1) == [{"drain": "w1"}]
    for _ in range(2):
        await stranger.publish(CONTROL, [seal_control({"pause": True}, "p1", 1)])
    await stranger.publish(CONTROL, [seal_control({"last": True}, "p1", 2)])
    assert await heard(near, 2) == await heard(far, 2) == [{"pause": True}, {"last": True}]


async def test_what_nobody_can_read_goes_to_the_dead_letters_with_the_reason(
    two_buses: Two, stranger: Client
) -> None:
    listener, rings = two_buses[0].subscribe(), two_buses[0].rings()
    assert await two_buses[0].hears(60)
    newer = seal_event(event(1), "p1", 1)
    newer = replace(newer, attributes={**newer.attributes, "ce-dataschema": "urn:assay:event:9"})
    await two_buses[1].close()  # else it says so, too
    await stranger.publish(EVENTS, [newer])
    await stranger.publish(EVENTS, [Letter(b"\xff\xfe", seal_event(event(2), "p1", 2).attributes)])
    await stranger.publish(CONTROL, [Letter(b"hello")])
    await stranger.publish(WORK, [replace(seal_ring("e", "p1", 3), data=b"{}")])
    await stranger.publish(WORK, [seal_ring("e", "p1", 4)])

    assert await heard(rings, 1) == ["e"]
    dead = {each.letter.data: each.letter.attributes for each in await dead_letters(stranger, 4)}
    assert set(dead) == {newer.data, b"\xff\xfe", b"hello", b"{}"}
    assert "urn:assay:event:9" in dead[newer.data]["dead-reason"]
    assert dead[newer.data]["ce-id"] == "1"
    assert "not JSON" in dead[b"\xff\xfe"]["dead-reason"]
    assert "CloudEvent" in dead[b"hello"]["dead-reason"]
    assert "execution_id" in dead[b"{}"]["dead-reason"]
    assert {each["dead-topic"] for each in dead.values()} == {EVENTS, CONTROL, WORK}
    two_buses[0].publish([event(3)])
    assert await heard(listener, 1) == [event(3)]  # it goes on
    await rings.aclose()


async def test_what_no_message_can_carry_is_heard_here_and_troubles_nobody(
    two_buses: Two, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = two_buses
    near, far = one.subscribe("e"), other.subscribe("e")
    assert await other.hears(60)
    odd = replace(event(0), data={"text": "\ud800"})
    large = replace(event(1), data={"text": "x" * 4_000_000})
    one.publish([odd, large, event(2)])
    assert await heard(near, 3) == [odd, large, event(2)]
    assert await heard(far, 1) == [event(2)]
    assert "no JSON" in caplog.text
    assert "larger than" in caplog.text


async def test_closing_sends_what_is_pending_and_leaves_nothing_behind(
    project: str, stranger: Client
) -> None:
    one, other = await PubSubBus.open(project), await PubSubBus.open(project)
    listener = other.subscribe("e")
    assert await other.hears(60)
    events = [event(seq) for seq in range(1, 501)]
    one.publish(events)
    await one.close()
    await one.close()
    one.publish([event(501)])  # too late for others, and no error
    assert await heard(listener, 500) == events
    await other.close()
    for bus in (one, other):
        for topic in (EVENTS, CONTROL):
            assert await stranger.topic_of(own(topic, bus.origin)) is None
