"""Events in the order of `seq`, each once, whatever the network does to them."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.event import Event, EventType
from assay.store.pubsub import order
from assay.store.pubsub.order import Order

NEVER, SOON = 60.0, 0.01


def event(seq: int, execution_id: str = "e") -> Event:
    kind = EventType.NOTICE if seq else EventType.TOKEN
    return Event(execution_id, kind, "2026-01-01T00:00:00Z", seq=seq)


@given(last=st.integers(1, 30), copies=st.integers(1, 3), mix=st.randoms(use_true_random=False))
def test_in_whatever_order_they_arrive_and_however_often(
    last: int, copies: int, mix: Random
) -> None:
    async def heard() -> list[int]:
        given_on: list[int] = []
        ordered = Order(lambda e: given_on.append(e.seq), NEVER)
        arriving = [event(seq) for seq in range(1, last + 1)] * copies
        mix.shuffle(arriving)
        for each in arriving:
            ordered.take(each, "")
        ordered.close()
        return given_on

    assert asyncio.run(heard()) == list(range(1, last + 1))


@pytest.mark.anyio
async def test_a_gap_is_not_waited_for_long_and_what_comes_too_late_is_dropped() -> None:
    given_on: asyncio.Queue[int] = asyncio.Queue()
    ordered = Order(lambda e: given_on.put_nowait(e.seq), SOON)
    for seq in (1, 4, 3):
        ordered.take(event(seq), "")
    async with asyncio.timeout(60):
        assert [await given_on.get() for _ in range(3)] == [1, 3, 4]
    ordered.take(event(2), "")
    ordered.take(event(5), "")
    assert given_on.get_nowait() == 5
    assert given_on.empty()


@pytest.mark.anyio
async def test_an_execution_heard_of_in_the_middle_goes_on_from_there() -> None:
    given_on: asyncio.Queue[int] = asyncio.Queue()
    ordered = Order(lambda e: given_on.put_nowait(e.seq), SOON)
    ordered.take(event(8), "")
    ordered.take(event(7), "")
    async with asyncio.timeout(60):
        assert [await given_on.get(), await given_on.get()] == [7, 8]
    ordered.take(event(9), "")
    assert given_on.get_nowait() == 9


@pytest.mark.anyio
async def test_what_this_process_said_itself_is_no_gap() -> None:
    given_on: list[int] = []
    ordered = Order(lambda e: given_on.append(e.seq), NEVER)
    ordered.take(event(1), "")
    ordered.passed(event(2))
    ordered.take(event(4), "")
    ordered.passed(event(3))
    ordered.take(event(2), "")
    assert given_on == [1, 4]


@pytest.mark.anyio
async def test_live_events_wait_for_nothing_and_are_told_apart_by_their_letters() -> None:
    given_on: list[int] = []
    ordered = Order(lambda e: given_on.append(e.seq), NEVER)
    ordered.take(event(3), "")
    for letter_id in ("a", "b", "a"):
        ordered.take(event(0), letter_id)
    ordered.close()
    assert given_on == [0, 0]


@pytest.mark.anyio
async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many executions with a gap the oldest are given up first, and nothing twice."""
    monkeypatch.setattr(order, "HELD", 50)
    monkeypatch.setattr(order, "KNOWN", 70)
    given_on: list[str] = []
    ordered = Order(lambda e: given_on.append(e.execution_id), NEVER)
    for number in range(200):
        ordered.take(event(2, f"e{number}"), "")
        ordered.take(event(0, f"e{number}"), f"live {number}")
    durable = given_on[::1]
    assert len(ordered._places) == 70
    assert len(ordered._live) == 70
    ordered.close()
    assert durable.count("e0") == 2
    assert durable.count("e199") == 1
