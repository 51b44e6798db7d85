"""Pub/Sub goes away and comes back: nobody who publishes waits, and memory stays bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest
from google.api_core.exceptions import InvalidArgument
from tests.emulators import VARIABLES, Emulators, private

from assay.graphs.event import Event, EventType
from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.envelope import Letter
from assay.store.pubsub.names import EVENTS
from assay.store.pubsub.outbox import Outbox
from assay.store.pubsub.setup import setup

pytestmark = pytest.mark.anyio

PROJECT = "outages"


def event(seq: int, text: str = "") -> Event:
    return Event("e", EventType.NOTICE, "2026-01-01T00:00:00Z", "a", {"text": text}, seq)


async def test_after_an_outage_events_arrive_again_and_nobody_waited_meanwhile(
    emulators: Emulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The emulator forgets everything: topics are made again, subscriptions come back alone."""
    with private(tmp_path, "pubsub") as address:
        monkeypatch.setenv(VARIABLES["pubsub"], address)
        await setup(PROJECT)
        one, other = await PubSubBus.open(PROJECT), await PubSubBus.open(PROJECT)
        here, there = one.subscribe("e"), other.subscribe("e")
        assert await other.hears(60)
        rings = other.rings()
        waiting = asyncio.create_task(anext(rings))
        one.publish([event(1)])
        async with asyncio.timeout(60):
            assert await anext(there) == event(1)

    outbox = one._outboxes[EVENTS]
    outbox._capacity_bytes = 200_000  # far less than is published now
    took = []
    for seq in range(2, 1000):
        before = time.perf_counter()
        one.publish([event(seq, "x" * 1000)])
        took.append(time.perf_counter() - before)
        if seq % 10 == 0:
            await asyncio.sleep(0)  # its senders try, too
    # A few may meet a machine that is busy; a connection they would all wait for.
    assert median(took) < 0.1
    assert 150_000 < outbox.waiting_bytes <= 200_000
    assert await asyncio.wait_for(anext(here), 60)

    with private(tmp_path, "pubsub", int(address.rpartition(":")[2])):
        await setup(PROJECT)
        first = await _until_heard(one, other, 1000)
        listener = other.subscribe("e")
        one.publish([event(seq) for seq in range(first, first + 50)])
        async with asyncio.timeout(60):
            while (found := await anext(listener)).seq < first:
                pass
            assert found == event(first)
            for seq in range(first + 1, first + 50):
                assert await anext(listener) == event(seq)
            one.ring("e")
            assert await waiting == "e"
        assert await one.flush()
        await rings.aclose()
        await one.close()
        await other.close()
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert any("trying again" in line for line in said)
    assert len(said) < 40  # not one line an attempt, or a message


async def test_a_full_outbox_drops_live_letters_and_the_oldest_of_the_others() -> None:
    sent: list[bytes] = []
    away = asyncio.Event()

    async def send(letters: Sequence[Letter]) -> None:
        await away.wait()
        sent.extend(letter.data for letter in letters)

    outbox = Outbox(send, capacity=5)
    for number in range(8):
        outbox.put(Letter(b"%d" % number, key="e"))
    outbox.put(Letter(b"live", key="e"), live=True)
    assert (outbox.waiting, outbox.lost) == (5, 4)
    away.set()
    assert await outbox.flush(60)
    assert sent == [b"3", b"4", b"5", b"6", b"7"]
    assert (outbox.waiting, outbox.waiting_bytes) == (0, 0)
    await outbox.close()


async def test_what_could_not_be_sent_is_sent_again_in_order_of_each_key() -> None:
    sent: dict[str, list[int]] = {"a": [], "b": []}
    failures = iter(range(5))

    async def send(letters: Sequence[Letter]) -> None:
        if next(failures, None) is not None:
            raise ConnectionError("away")
        assert len({letter.key for letter in letters}) == 1  # what Pub/Sub asks for
        sent[letters[0].key].extend(int(letter.data) for letter in letters)

    outbox = Outbox(send)
    for number in range(1000):
        outbox.put(Letter(b"%d" % number, key="ab"[number % 2]))
        if number % 100 == 0:
            await asyncio.sleep(0)
    assert await outbox.flush(60)
    assert sent == {"a": list(range(0, 1000, 2)), "b": list(range(1, 1000, 2))}
    assert outbox.lost == 0
    await outbox.close()


async def test_a_letter_that_is_refused_takes_no_other_with_it() -> None:
    sent: list[bytes] = []

    async def send(letters: Sequence[Letter]) -> None:
        if any(letter.data == b"bad" for letter in letters):
            raise InvalidArgument("too large")  # type: ignore[no-untyped-call]
        sent.extend(letter.data for letter in letters)

    outbox = Outbox(send)
    for data in (b"1", b"bad", b"2"):
        outbox.put(Letter(data, key="e"))
    assert await outbox.flush(60)
    assert sent == [b"1", b"2"]
    assert outbox.lost == 1
    await outbox.close()


async def _until_heard(one: PubSubBus, other: PubSubBus, seq: int) -> int:
    """Publish until something arrives; the next `seq`."""
    listener = other.subscribe("e")
    arrived = asyncio.ensure_future(anext(listener))
    async with asyncio.timeout(60):
        while not arrived.done():
            one.publish([event(seq)])
            seq += 1
            await asyncio.wait({arrived}, timeout=0.1)
    return seq
