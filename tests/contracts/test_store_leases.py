"""What every `Store` owes of the right to drive an execution, and of what its driver is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, ended, entry, execution, journal, parked, question, queued

from assay.graphs.errors import ExecutionNotFound, LeaseLost, StoreError
from assay.graphs.execution import Status
from assay.graphs.lease import Command, Lease, Message
from assay.graphs.question import Signal, Wait
from assay.graphs.stored import ArtifactInfo, Commit

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

TERMINAL = [Status.COMPLETED, Status.FAILED, Status.CANCELLED]


# Taking a lease


async def test_nobody_takes_the_lease_of_a_worker_that_is_alive(
    two_stores: tuple[Store, Store],
) -> None:
    one, other = two_stores
    of, lease = await begun(one)
    assert await other.claim(of.id, other.worker) is None
    assert await one.holder(of.id) == await other.holder(of.id) == one.worker
    assert await one.commit(Commit(lease, entry(1)))


async def test_of_two_workers_that_fight_for_one_execution_exactly_one_gets_it(
    two_stores: tuple[Store, Store],
) -> None:
    ids = [f"e{number}" for number in range(40)]
    for id in ids:
        await two_stores[0].create(queued(id), [], "")

    async def claim_all(store: Store, ids: list[str]) -> set[str]:
        leases = await asyncio.gather(*(store.claim(id, store.worker) for id in ids))
        return {lease.execution_id for lease in leases if lease is not None}

    one, other = await asyncio.gather(
        claim_all(two_stores[0], ids), claim_all(two_stores[1], ids[::-1])
    )
    assert not one & other
    assert one | other == set(ids)


async def test_a_lease_that_was_given_back_is_free_for_others(
    two_stores: tuple[Store, Store],
) -> None:
    one, other = two_stores
    of, lease = await begun(one)
    assert await one.commit(Commit(lease, release=True))
    assert await one.holder(of.id) is None
    taken = await other.claim(of.id, other.worker)
    assert taken == Lease(of.id, other.worker, lease.epoch + 1, lease.handle)
    assert await one.claim(of.id, one.worker) is None


async def test_others_know_which_workers_are_alive(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    assert await one.alive(one.worker)
    assert await other.alive(one.worker)
    assert not await one.alive("nobody")
    await one.close()
    assert not await other.alive(one.worker)


async def test_a_worker_whose_store_was_closed_loses_its_leases(
    two_stores: tuple[Store, Store],
) -> None:
    one, other = two_stores
    of, lease = await begun(one)
    await one.close()
    assert await other.holder(of.id) is None
    taken = await other.claim(of.id, other.worker)
    assert taken is not None
    assert taken.epoch == lease.epoch + 1


async def test_a_worker_that_nobody_knows_is_dead(store: Store) -> None:
    of = execution()
    for name in ("nobody", "1-a", "../../etc", "a/b", "\ud7ff", "x" * 5000):
        dead = await store.create(replace(of, id=name), [], name)
        assert dead is not None
        assert await store.holder(name) is None
        assert await store.ready(store.worker, now=0) == [name]
        assert await store.claim(name, store.worker)


async def test_the_epoch_grows_with_every_lease(store: Store) -> None:
    of, lease = await begun(store)
    epochs = [lease.epoch]
    for worker in (store.worker, "dead", store.worker, store.worker):
        claimed = await store.claim(of.id, worker)
        if claimed is None:  # our own worker is alive, so the dead one gets nothing
            assert worker == "dead"
            continue
        epochs.append(claimed.epoch)
    assert epochs == sorted(set(epochs))
    assert len(epochs) == 4


@pytest.mark.parametrize("status", TERMINAL)
async def test_what_has_ended_is_claimed_by_nobody(store: Store, status: Status) -> None:
    of, lease = await begun(store)
    await ended(store, lease, of, status)
    assert await store.claim(of.id, store.worker) is None
    assert await store.claim(of.id, store.worker, slotless=True) is None
    assert await store.ready(store.worker, now=1e12) == []


async def test_what_does_not_exist_cannot_be_claimed(store: Store) -> None:
    for asked in (store.claim("nothing", store.worker), store.holder("nothing")):
        with pytest.raises(ExecutionNotFound, match="nothing"):
            await asked


# Writing under a lease


async def test_a_commit_under_an_old_epoch_writes_nothing_of_its_parts(store: Store) -> None:
    of, old = await begun(store, entries=[entry(1)])
    new = await store.claim(of.id, store.worker)
    assert new is not None
    await store.post(Message(of.id, Command.PAUSE))
    (message,) = await store.inbox(store.worker)
    changed = replace(of, current_step="x")
    artifact = ArtifactInfo(of.id, "a", "log", "log.txt", "0" * 64, 12, "")
    signal = Signal("s", "done", None, None, 1.0)

    for commit in (
        Commit(old),
        Commit(old, entry(2)),
        Commit(old, execution=changed),
        Commit(old, release=True),
        Commit(old, entry(2), changed, release=True),
        Commit(old, questions=[question(of.id)]),
        Commit(old, consumed=[message.id]),
        Commit(old, signals=[signal]),
        Commit(old, artifacts=[artifact]),
        Commit(
            old,
            entry(2),
            changed,
            [question(of.id)],
            [message.id],
            [signal],
            [artifact],
            release=True,
        ),
    ):
        with pytest.raises(LeaseLost, match=of.id):
            await store.commit(commit)

    assert await journal(store, of.id) == [entry(1)]
    assert await store.execution(of.id) == of
    assert (await store.questions()).items == []
    assert (await store.artifacts()).items == []
    assert await store.signals("done", None, since=0) == []
    assert await store.inbox(store.worker) == [message]
    assert await store.holder(of.id) == store.worker
    assert await store.commit(Commit(new, entry(2)))


async def test_late_commits_among_many_that_are_in_time_are_the_only_ones_refused(
    store: Store,
) -> None:
    made = [await begun(store) for _ in range(30)]
    for number in (0, 11, 12, 29):
        await store.claim(made[number][0].id, store.worker)
    outcomes = await asyncio.gather(
        *(store.commit(Commit(lease, entry(1))) for _, lease in made), return_exceptions=True
    )
    late = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, LeaseLost)]
    assert late == [0, 11, 12, 29]
    assert outcomes.count(True) == 26


async def test_a_lease_is_lost_whatever_becomes_of_the_one_who_took_it(
    two_stores: tuple[Store, Store],
) -> None:
    """Also after the other has given it back, or has died."""
    one, other = two_stores
    of, old = await begun(one)
    await one.commit(Commit(old, release=True))
    taken = await other.claim(of.id, other.worker)
    assert taken is not None
    await other.commit(Commit(taken, entry(1), release=True))
    with pytest.raises(LeaseLost):
        await one.commit(Commit(old, entry(2)))
    await other.close()
    with pytest.raises(LeaseLost):
        await one.commit(Commit(old, entry(2)))


# The inbox


async def test_messages_arrive_in_order_until_they_are_consumed(store: Store) -> None:
    one, lease = await begun(store)
    two, _ = await begun(store)
    foreign = execution()
    await store.create(foreign, [], "dead")
    told = [
        Message(one.id, Command.PAUSE, {"by": "é"}),
        Message(two.id, Command.STOP),
        Message(one.id, Command.RESUME, {"deep": [1, {"x": None}]}),
    ]
    for message in (*told[:2], Message(foreign.id, Command.STOP), told[2]):
        await store.post(message)
    messages = await store.inbox(store.worker)
    assert [replace(message, id=0) for message in messages] == told
    assert [message.id for message in messages] == sorted({m.id for m in messages})
    await store.commit(Commit(lease, consumed=[messages[0].id]))
    assert await store.inbox(store.worker) == messages[1:]


async def test_only_messages_of_the_own_execution_are_consumed(store: Store) -> None:
    one, lease = await begun(store)
    two, _ = await begun(store)
    await store.post(Message(two.id, Command.STOP))
    (message,) = await store.inbox(store.worker)
    assert await store.commit(Commit(lease, consumed=[message.id, 999]))
    assert await store.inbox(store.worker) == [message]
    assert one.id != two.id


async def test_a_consumed_message_never_lends_its_number_to_another(store: Store) -> None:
    of, lease = await begun(store)
    seen = set()
    for _ in range(3):
        await store.post(Message(of.id, Command.PAUSE))
        (message,) = await store.inbox(store.worker)
        assert message.id not in seen
        seen.add(message.id)
        await store.commit(Commit(lease, consumed=[message.id]))


async def test_a_message_to_nobody_is_refused(store: Store) -> None:
    with pytest.raises(ExecutionNotFound, match="nothing"):
        await store.post(Message("nothing", Command.STOP))
    of, _ = await begun(store)
    with pytest.raises(StoreError, match=of.id):
        await store.post(Message(of.id, Command.STOP, {"x": object()}))


async def test_a_message_to_what_has_ended_is_kept_for_nobody(store: Store) -> None:
    of, lease = await begun(store)
    await store.commit(Commit(lease, execution=replace(of, status=Status.FAILED)))
    await store.post(Message(of.id, Command.STOP))
    assert await store.inbox(store.worker) == []
    assert await store.commit(Commit(lease, release=True))


async def test_a_lease_is_not_given_back_while_the_inbox_holds_a_message(store: Store) -> None:
    """The rest of the commit is done."""
    of, lease = await begun(store)
    await store.post(Message(of.id, Command.PAUSE))
    waiting = replace(of, status=Status.WAITING)
    assert not await store.commit(Commit(lease, entry(1), waiting, release=True))
    asked = question(of.id)
    assert not await store.commit(Commit(lease, entry(2), questions=[asked], release=True))
    assert not await store.commit(Commit(lease, release=True))
    assert await store.holder(of.id) == store.worker
    assert await store.execution(of.id) == waiting
    assert await journal(store, of.id) == [entry(1), entry(2)]
    (message,) = await store.inbox(store.worker)
    assert await store.commit(Commit(lease, consumed=[message.id], release=True))
    assert await store.holder(of.id) is None


async def test_of_many_leases_given_back_at_once_those_with_a_message_stay(store: Store) -> None:
    made = [await begun(store) for _ in range(20)]
    for number in (2, 3, 17):
        await store.post(Message(made[number][0].id, Command.PAUSE))
    outcomes = await asyncio.gather(
        *(store.commit(Commit(lease, entry(1), release=True)) for _, lease in made)
    )
    assert [n for n, released in enumerate(outcomes) if not released] == [2, 3, 17]
    for number, (of, _) in enumerate(made):
        assert (await store.holder(of.id) is not None) == (number in (2, 3, 17))


async def test_no_wake_up_is_lost_between_parking_and_a_message(
    two_stores: tuple[Store, Store],
) -> None:
    """Either the driver hears of it before it lets go, or the execution is ready afterwards."""
    one, other = two_stores
    for number in range(30):
        of, lease = await begun(one, f"e{number}")
        waiting = replace(of, status=Status.WAITING)
        released, _ = await asyncio.gather(
            one.commit(Commit(lease, execution=waiting, release=True)),
            other.post(Message(of.id, Command.RESUME)),
        )
        told = [message.execution_id for message in await one.inbox(one.worker)]
        ready = await other.ready(other.worker, now=0)
        assert (of.id in ready) == released
        assert (of.id in told) == (not released)


# What somebody should claim


async def test_what_is_queued_or_was_running_without_a_driver_is_ready(store: Store) -> None:
    await store.create(queued("queued"), [], "")
    await store.create(execution("left"), [], "dead")
    await begun(store, "driven")
    await begun(store, "own-queued", status=Status.QUEUED)
    assert await store.ready(store.worker, now=0) == ["queued", "left"]
    assert await store.claim("queued", store.worker)
    assert await store.claim("left", store.worker)
    assert await store.ready(store.worker, now=0) == []


@pytest.mark.parametrize("status", [Status.WAITING, Status.PAUSED])
async def test_what_waits_is_ready_when_there_is_a_message(store: Store, status: Status) -> None:
    await parked(store, "e", status=status)
    await parked(store, "other", status=status)
    assert await store.ready(store.worker, now=1e12) == []
    await store.post(Message("e", Command.RESUME))
    assert await store.ready(store.worker, now=0) == ["e"]
    assert await store.claim("e", store.worker)
    assert await store.ready(store.worker, now=0) == []


async def test_what_waits_is_ready_when_a_question_is_due(store: Store) -> None:
    due = question("e", "a", Wait.SLEEP, due=100.0)
    await parked(store, "e", due, question("e", "b"), question("e", "c", Wait.SLEEP, due=300.0))
    await parked(store, "never", question("never"))
    assert await store.ready(store.worker, now=99.9) == []
    assert await store.ready(store.worker, now=100.0) == ["e"]
    lease = await store.claim("e", store.worker)
    assert lease is not None
    done = replace(due.withdrawn(), revision=1)
    await store.commit(Commit(lease, questions=[done], release=True))
    assert await store.ready(store.worker, now=299) == []
    assert await store.ready(store.worker, now=300) == ["e"]


async def test_what_is_paused_does_not_wake_up_by_itself(store: Store) -> None:
    due = question("e", "a", Wait.SLEEP, due=100.0)
    await parked(store, "e", due, status=Status.PAUSED)
    assert await store.ready(store.worker, now=200) == []


async def test_ready_is_ordered_by_priority_then_age(store: Store) -> None:
    for id, priority in [("z", 0), ("b", 5), ("y", 0), ("a", -1), ("c", 5)]:
        await store.create(queued(id, priority=priority), [], "")
    await parked(store, "told", priority=1)
    await store.post(Message("told", Command.RESUME))
    assert await store.ready(store.worker, now=0) == ["b", "c", "told", "z", "y", "a"]
    assert await store.ready(store.worker, now=0, limit=2) == ["b", "c"]


async def test_workers_that_take_what_is_ready_share_it(two_stores: tuple[Store, Store]) -> None:
    for number in range(40):
        await two_stores[0].create(queued(f"e{number:02}"), [], "")
    taken: list[str] = []

    async def work(store: Store) -> None:
        while ready := await store.ready(store.worker, now=0, limit=5):
            for id in ready:
                if (lease := await store.claim(id, store.worker)) is not None:
                    taken.append(id)
                    done = replace(queued(id), status=Status.COMPLETED)
                    await store.commit(Commit(lease, execution=done, release=True))

    await asyncio.gather(*map(work, two_stores))
    assert sorted(taken) == [f"e{number:02}" for number in range(40)]
