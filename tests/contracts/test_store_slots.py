"""What every `Store` owes of concurrency keys: who holds a slot, who waits, whose turn it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import ended, entry, execution, journal, question, queued

from assay.graphs.errors import ConcurrencyLimit, ExecutionNotFound
from assay.graphs.execution import Status
from assay.graphs.lease import Command, Lease, Message, SlotRequest
from assay.graphs.stored import Commit

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

TERMINAL = [Status.COMPLETED, Status.FAILED, Status.CANCELLED]


async def start(store: Store, id: str, slot: Any = "k", **given: Any) -> Lease | None:
    return await store.create(queued(id, slot, **given), [entry(1)], store.worker)


async def started(store: Store, id: str, slot: Any = "k", **given: Any) -> Lease:
    lease = await start(store, id, slot, **given)
    assert lease is not None
    return lease


async def end(store: Store, lease: Lease, status: Status = Status.COMPLETED) -> None:
    await ended(store, lease, await store.execution(lease.execution_id), status)


async def become(store: Store, lease: Lease, status: Status, *, release: bool = True) -> bool:
    of = await store.execution(lease.execution_id)
    return await store.commit(Commit(lease, execution=replace(of, status=status), release=release))


async def who(store: Store, key: str | None = "k") -> str:
    """`a b | c d`: who holds the key, and who waits."""
    slots = await store.slots(key)
    held = [slot.execution_id for slot in slots if slot.held]
    waiting = [slot.execution_id for slot in slots if not slot.held]
    assert [slot.execution_id for slot in slots] == held + waiting
    return f"{' '.join(held)} | {' '.join(waiting)}".strip()


@pytest.mark.parametrize("status", [*TERMINAL, Status.WAITING])
async def test_whoever_gives_a_slot_up_is_told_whose_turn_it_is(
    store: Store, status: Status
) -> None:
    told: list[str] = []
    store.on_turn = told.append
    slot = SlotRequest("k", limit=2, hold="running")
    leases = [await started(store, id, slot) for id in "ab"]
    for id in "cde":
        await start(store, id, slot)

    await become(store, leases[0], status, release=False)
    first = list(told)
    await become(store, leases[0], status)
    again = list(told)
    await become(store, leases[1], status)

    assert (first, again, told) == (["c"], ["c"], ["c", "d"])


async def test_whoever_needs_a_slot_that_is_taken_queues_without_a_lease(store: Store) -> None:
    assert await start(store, "a")
    assert await start(store, "b") is None
    assert await start(store, "other", "another key")
    assert await start(store, "none", None)
    assert await who(store) == "a | b"
    assert (await store.execution("b")).status is Status.QUEUED
    assert await journal(store, "b") == [entry(1)]
    assert await store.holder("b") is None
    assert await store.ready(store.worker, now=0) == []
    assert await store.claim("b", store.worker) is None
    assert await who(store) == "a | b"


@pytest.mark.parametrize("status", TERMINAL)
async def test_when_an_execution_ends_its_slot_goes_to_the_next(
    store: Store, status: Status
) -> None:
    a = await started(store, "a")
    for id in ("b", "c"):
        await start(store, id)
    await end(store, a, status)
    assert await who(store) == "b | c"
    assert await store.ready(store.worker, now=0) == ["b"]
    assert await store.claim("c", store.worker) is None
    b = await store.claim("b", store.worker)
    assert b is not None
    await end(store, b, status)
    assert await who(store) == "c |"


async def test_the_queue_is_ordered_by_priority_then_arrival(store: Store) -> None:
    lease = await started(store, "first")
    for id, priority in [("z", 0), ("b", 5), ("y", 0), ("a", -1), ("c", 5)]:
        await start(store, id, priority=priority)
    assert await who(store) == "first | b c z y a"
    for id in "bczya":
        await end(store, lease)
        assert await store.ready(store.worker, now=0) == [id]
        claimed = await store.claim(id, store.worker)
        assert claimed is not None
        lease = claimed


async def test_a_key_has_as_many_slots_as_its_limit_says(store: Store) -> None:
    three = SlotRequest("k", 3)
    leases = [await start(store, id, three) for id in "abcde"]
    assert [lease is not None for lease in leases] == [True, True, True, False, False]
    assert await who(store) == "a b c | d e"
    assert leases[1] is not None
    await end(store, leases[1])
    assert await who(store) == "a c d | e"


async def test_the_limit_that_counts_is_that_of_whoever_asks(store: Store) -> None:
    await started(store, "a", SlotRequest("k", 1))
    b = await started(store, "b", SlotRequest("k", 2))
    assert await start(store, "c", SlotRequest("k", 1)) is None
    assert await start(store, "d", SlotRequest("k", 3)) is None  # c is before it
    assert await start(store, "e", SlotRequest("k", 3), priority=1) is not None
    assert await who(store) == "a b e | c d"
    await end(store, b)
    assert await who(store) == "a e | c d"


async def test_slots_say_who_needs_them_and_since_when(store: Store) -> None:
    await started(store, "a", "k2", workflow="w1")
    await start(store, "b", "k2", workflow="w2", priority=3)
    await started(store, "c", "k1")
    slots = await store.slots()
    assert [(s.key, s.execution_id, s.workflow, s.held, s.priority) for s in slots] == [
        ("k1", "c", "build", True, 0),
        ("k2", "a", "w1", True, 0),
        ("k2", "b", "w2", False, 3),
    ]
    assert all(slot.since.endswith("Z") for slot in slots)
    assert await store.slots("k3") == []


@pytest.mark.parametrize("key", ["a/b", "'", "é𝄞", "\u0000", "", "%"])
async def test_a_key_is_any_text(store: Store, key: str) -> None:
    await started(store, "a", key)
    await started(store, "b", key + "x")
    assert await start(store, "c", key) is None
    assert [slot.execution_id for slot in await store.slots(key)] == ["a", "c"]


# Overflow


async def test_reject_refuses_and_leaves_nothing_behind(store: Store) -> None:
    only = SlotRequest("k", 1, "reject")
    a = await started(store, "a", only)
    with pytest.raises(ConcurrencyLimit, match="'k'"):
        await start(store, "b", only)
    with pytest.raises(ExecutionNotFound):
        await store.execution("b")
    assert await who(store) == "a |"
    await end(store, a)
    assert await start(store, "b", only)


async def test_of_many_that_would_be_rejected_the_others_go_on(store: Store) -> None:
    only = SlotRequest("k", 2, "reject")
    outcomes = await asyncio.gather(
        *(start(store, f"k{n}", only) for n in range(6)),
        *(start(store, f"n{n}", None) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Lease) for outcome in outcomes[:6]) == 2
    assert sum(isinstance(outcome, ConcurrencyLimit) for outcome in outcomes[:6]) == 4
    assert all(isinstance(outcome, Lease) for outcome in outcomes[6:])


async def test_replace_tells_the_holders_to_stop_and_waits_its_turn(store: Store) -> None:
    latest = SlotRequest("k", 2, "replace")
    a, b = await started(store, "a", latest), await started(store, "b", latest)
    assert await start(store, "c", latest) is None
    messages = await store.inbox(store.worker)
    assert [(m.execution_id, m.command) for m in messages] == [
        ("a", Command.STOP),
        ("b", Command.STOP),
    ]
    assert await who(store) == "a b | c"
    await store.commit(Commit(a, consumed=[messages[0].id]))
    await end(store, a, Status.CANCELLED)
    assert await store.ready(store.worker, now=0) == ["c"]
    await store.commit(Commit(b, consumed=[messages[1].id]))
    await end(store, b, Status.CANCELLED)
    assert await who(store) == "c |"


async def test_replace_tells_a_holder_once(store: Store) -> None:
    latest = SlotRequest("k", 1, "replace")
    await started(store, "a", latest)
    for id in "bcd":
        await start(store, id, latest)
    assert [m.execution_id for m in await store.inbox(store.worker)] == ["a"]


async def test_replace_wakes_a_holder_that_waits(store: Store) -> None:
    latest = SlotRequest("k", 1, "replace")
    a = await started(store, "a", latest)
    await become(store, a, Status.WAITING)
    assert await start(store, "b", latest) is None
    assert await store.ready(store.worker, now=0) == ["a"]


async def test_replace_takes_a_free_slot_without_telling_anybody(store: Store) -> None:
    two = SlotRequest("k", 2, "replace")
    await started(store, "a", two)
    await started(store, "b", two)
    assert await store.inbox(store.worker) == []


# Holding


@pytest.mark.parametrize("status", [Status.WAITING, Status.PAUSED])
async def test_a_slot_is_kept_while_its_execution_waits(store: Store, status: Status) -> None:
    a = await started(store, "a")
    await start(store, "b")
    await become(store, a, status)
    assert await who(store) == "a | b"
    assert await store.claim("a", store.worker)


@pytest.mark.parametrize("status", [Status.WAITING, Status.PAUSED])
async def test_hold_running_passes_the_slot_on_while_waiting(store: Store, status: Status) -> None:
    brief = SlotRequest("k", hold="running")
    a = await started(store, "a", brief)
    await start(store, "b", brief)
    assert await become(store, a, status)
    assert await who(store) == "b |"
    await store.post(Message("a", Command.RESUME))
    assert await store.claim("a", store.worker) is None
    assert await who(store) == "b | a"
    assert await store.ready(store.worker, now=0) == ["b"]
    b = await store.claim("b", store.worker)
    assert b is not None
    await end(store, b)
    assert await who(store) == "a |"
    assert await store.ready(store.worker, now=0) == ["a"]
    assert await store.claim("a", store.worker)


async def test_hold_running_takes_the_slot_again_when_it_is_free(store: Store) -> None:
    brief = SlotRequest("k", hold="running")
    a = await started(store, "a", brief)
    await become(store, a, Status.WAITING)
    assert await who(store) == "|"
    await store.post(Message("a", Command.RESUME))
    assert await store.ready(store.worker, now=0) == ["a"]
    assert await store.claim("a", store.worker)
    assert await who(store) == "a |"


async def test_a_driver_without_a_slot_gives_way_when_it_claims_again(store: Store) -> None:
    """It could not let go because of a message; the slot went to somebody else meanwhile."""
    brief = SlotRequest("k", hold="running")
    a = await started(store, "a", brief)
    await start(store, "b", brief)
    await store.post(Message("a", Command.RESUME))
    assert not await become(store, a, Status.WAITING)
    assert await who(store) == "b |"
    assert await store.claim("a", store.worker) is None
    assert await store.holder("a") is None
    assert await who(store) == "b | a"
    b = await store.claim("b", store.worker)
    assert b is not None
    await end(store, b)
    assert await store.ready(store.worker, now=0) == ["a"]


async def test_an_execution_that_ends_in_the_queue_leaves_it(store: Store) -> None:
    await started(store, "a")
    for id in "bc":
        await start(store, id)
    b = await store.claim("b", store.worker, slotless=True)
    assert b is not None
    assert await who(store) == "a | b c"
    await end(store, b, Status.CANCELLED)
    assert await who(store) == "a | c"


async def test_a_queue_whose_head_leaves_moves_up_as_far_as_there_is_room(store: Store) -> None:
    three = SlotRequest("k", 3)
    await started(store, "a", three)
    await start(store, "b", SlotRequest("k", 1))
    for id in "cde":
        await start(store, id, three)
    assert await who(store) == "a | b c d e"
    b = await store.claim("b", store.worker, slotless=True)
    assert b is not None
    await end(store, b, Status.CANCELLED)
    assert await who(store) == "a c d | e"
    assert await store.ready(store.worker, now=0) == ["c", "d"]


async def test_a_dead_worker_keeps_the_slots_of_its_executions(
    two_stores: tuple[Store, Store],
) -> None:
    one, other = two_stores
    await started(one, "a")
    await start(one, "b")
    await one.close()
    assert await who(other) == "a | b"
    assert await other.ready(other.worker, now=0) == ["a"]
    assert await other.claim("b", other.worker) is None
    assert await other.claim("a", other.worker)


async def test_a_slot_is_given_out_without_a_worker_as_well(store: Store) -> None:
    assert await store.create(queued("a", "k"), [], "") is None
    assert await store.create(queued("b", "k"), [], "") is None
    assert await who(store) == "a | b"
    assert await store.ready(store.worker, now=0) == ["a"]


async def test_what_begins_ended_needs_no_slot(store: Store) -> None:
    """So does what comes out of an export."""
    await started(store, "a")
    over = execution("b", status=Status.COMPLETED, slot=SlotRequest("k", 1, "reject"))
    lease = await store.create(over, [], store.worker)
    assert lease is not None
    await store.commit(Commit(lease, questions=[question("b")], release=True))
    await store.delete_execution("b")
    assert await who(store) == "a |"


async def test_two_workers_never_hold_more_slots_than_there_are(
    two_stores: tuple[Store, Store],
) -> None:
    async def begin(store: Store, prefix: str) -> list[Lease]:
        leases = [
            await start(store, f"{prefix}{number}", SlotRequest("k", 3)) for number in range(10)
        ]
        return [lease for lease in leases if lease is not None]

    one, other = await asyncio.gather(begin(two_stores[0], "a"), begin(two_stores[1], "b"))
    assert len(one) + len(other) == 3
    slots = await two_stores[0].slots("k")
    assert [slot.held for slot in slots] == [True] * 3 + [False] * 17
