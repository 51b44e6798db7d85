"""Whoever is killed, or comes in between, while firings of one lane take turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import StoreUnavailable
from assay.graphs.execution import timestamp
from assay.graphs.firing import Firing, FiringStatus, Lane, Trigger, lane_id
from assay.triggers import lanes
from assay.triggers.lanes import Active, State
from assay.triggers.starting import start
from assay.triggers.turns import Held, Turns

from .test_dispatch import SAYS, WAITS, House, manual, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as open_house:
        yield open_house


async def running(house: House) -> list[str]:
    return [e.inputs["text"] for e in await house.began("waits") if not e.status.terminal]


async def as_if_killed(house: House, firing: Firing, **changes: Any) -> Firing:
    """Its row as somebody left it who claimed it and died; it is due again in a second."""
    kept = await house.desk.store.firing(firing.id)
    left = replace(
        kept,
        **{"status": FiringStatus.PENDING, "due": house.desk.now() + 1, **changes},
        revision=kept.revision + 1,
    )
    assert await house.desk.store.put_firing(left)
    return left


async def put_lane(house: House, trigger: Trigger, state: State) -> None:
    id = lane_id(trigger.id, "")
    kept = await house.desk.store.lane(id)
    revision = 0 if kept is None else kept.revision + 1
    lane = Lane(id, trigger.id, timestamp(), state.to_dict(), revision=revision)
    assert await house.desk.store.put_lane(lane)


async def test_one_that_was_dead_holds_its_turn_when_it_is_replayed(house: House) -> None:
    given = {"with": {"text": "{{ payload.nobody.name }}"}}
    dead = await house.fire(await house.triggered(WAITS, overlap="queue", **given), {"text": "one"})
    assert dead.status is FiringStatus.DEAD
    trigger = await house.triggered({**WAITS, "version": "2"}, overlap="queue")

    again = await house.desk.settled(await house.desk.replay(dead.id), 20)
    second = await house.fire(trigger, {"text": "two"})

    assert (again.status, second.status) == (FiringStatus.STARTED, FiringStatus.WAITING)
    assert await running(house) == ["one"]


async def test_one_that_begins_between_two_looks_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, firing=False) as house:
        desk, store = house.desk, house.desk.store
        trigger = await house.triggered(WAITS, overlap="queue")
        bound = await desk.bound(trigger)
        first = await desk.fire(trigger, {"text": "one"})
        second = await desk.fire(trigger, {"text": "two"})
        await put_lane(house, trigger, State(active=(Active(first.execution_id, first.id),)))
        find = store.firing

        async def begun_meanwhile(id: str) -> Firing:
            if id == first.id and (kept := await find(id)).status.open:
                await start(desk, first, trigger, bound)
                begun = replace(kept, status=FiringStatus.STARTED, due=None, revision=1)
                assert await store.put_firing(begun)
            return await find(id)

        monkeypatch.setattr(store, "firing", begun_meanwhile)
        held = Held(replace(second, lane=lane_id(trigger.id, "")))
        turned = await Turns(desk, lambda _: None).take(held, trigger, bound)

        assert turned is not None
        assert turned.status is FiringStatus.WAITING
        assert await running(house) == ["one"]


async def test_who_was_killed_before_it_could_wait_holds_up_nobody_who_merges(
    house: House,
) -> None:
    trigger = await house.triggered(WAITS, overlap="merge")
    await house.fire(trigger, {"text": "one"})
    second = await house.fire(trigger, {"text": "two"})
    await as_if_killed(house, second)

    third = await house.fire(trigger, {"text": "three"})

    assert third.status is not FiringStatus.PENDING, "it turns in a circle"
    third = await house.until(third, FiringStatus.MERGED)
    await house.go("one")
    await house.until(second, FiringStatus.STARTED)
    assert await running(house) == ["three"]


async def test_who_was_killed_before_it_could_begin_holds_up_nobody_who_replaces(
    house: House,
) -> None:
    trigger = await house.triggered(WAITS, overlap="replace")
    now = house.desk.now()
    first = await house.desk.fire(trigger, {"text": "one"}, due=now + 1)
    await put_lane(house, trigger, State(active=(Active(first.execution_id, first.id),)))

    second = await house.fire(trigger, {"text": "two"})

    assert second.status is not FiringStatus.PENDING, "it turns in a circle"
    await house.until(second, FiringStatus.STARTED)
    assert (await house.until(first, FiringStatus.STARTED)).id == first.id
    assert await running(house) == ["two"]


async def test_what_is_merged_while_a_firing_begins_is_not_lost(tmp_path: Path) -> None:
    async with opened(tmp_path, firing=False) as house:
        trigger = await house.triggered(WAITS, overlap="merge")
        fired = await house.desk.fire(trigger, {"text": "two"})
        lane = lane_id(trigger.id, "")
        claimed = replace(fired, lane=lane, status=FiringStatus.WAITING, revision=1)
        merged = replace(claimed, payload={"text": "three"}, merged=("other",), revision=2)
        assert await house.desk.store.put_firing(claimed)
        assert await house.desk.store.put_firing(merged)

        bound = await house.desk.bound(trigger)
        begun = await Turns(house.desk, lambda _: None).take(Held(claimed), trigger, bound)

        assert begun is not None
        assert begun.status is FiringStatus.STARTED
        assert list(begun.merged) == ["other"]
        assert await running(house) == ["three"]


async def test_what_was_merged_before_somebody_died_is_not_begun_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = await house.triggered(WAITS, overlap="merge")
    await house.fire(trigger, {"text": "one"})
    second = await house.fire(trigger, {"text": "two"})
    put, refused = house.desk.store.put_firing, asyncio.Event()

    async def dies(firing: Firing) -> bool:
        if firing.status is FiringStatus.MERGED:
            refused.set()
            raise StoreUnavailable("gone")
        return await put(firing)

    with monkeypatch.context() as patched:
        patched.setattr(house.desk.store, "put_firing", dies)
        third = await house.desk.fire(trigger, {"text": "three"})
        async with asyncio.timeout(60):
            await refused.wait()
    await house.go("one")
    begun = await house.until(second, FiringStatus.STARTED)
    assert list(begun.merged) == [third.id]
    kept = await house.desk.store.firing(third.id)
    assert await house.desk.store.put_firing(
        replace(kept, due=house.desk.now(), revision=kept.revision + 1)
    )

    third = await house.until(third, FiringStatus.MERGED)

    assert third.into == second.id
    assert [e.inputs["text"] for e in await house.began("waits")] == ["one", "three"]


async def test_a_firing_stands_for_any_number_and_names_the_last_of_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of ten thousand would write the names of all before it."""
    monkeypatch.setattr(lanes, "LONGEST", 3)
    trigger = await house.triggered(WAITS, overlap="merge")
    await house.fire(trigger, {"text": "one"})
    second = await house.fire(trigger, {"text": "two"})

    others = [await house.fire(trigger, {"text": f"{n}"}) for n in range(5)]

    assert {each.into for each in others} == {second.id}
    kept = await house.desk.store.firing(second.id)
    assert list(kept.merged) == [each.id for each in others[-3:]]
    assert kept.payload == {"text": "4"}


async def test_what_one_fired_who_may_little_does_not_run_as_somebody_else(house: House) -> None:
    trigger = await house.triggered(WAITS, overlap="merge")
    await house.fire(trigger, {"text": "one"})
    second = await house.fire(trigger, {"text": "two"})

    await house.fire(trigger, {"text": "three"}, profile="restricted")

    assert (await house.desk.store.firing(second.id)).profile == "restricted"


async def test_an_old_firing_does_not_replace_a_later_one_after_a_crash(house: House) -> None:
    trigger = await house.triggered(WAITS, overlap="replace")
    now = house.desk.now()
    first = await house.desk.fire(trigger, {"text": "one"}, due=now + 3600)
    second = await house.fire(trigger, {"text": "two"})
    await as_if_killed(house, first, attempts=1)

    assert "later firing" in (await house.until(first, FiringStatus.DROPPED)).reason
    assert second.status is FiringStatus.STARTED
    assert await running(house) == ["two"]


@pytest.mark.parametrize("overlap", ["reject", "replace"])
async def test_what_had_begun_before_a_crash_is_told_though_others_had_their_turn_since(
    house: House, overlap: str
) -> None:
    trigger = await house.triggered(WAITS, overlap=overlap)
    first = await house.fire(trigger, {"text": "one"})
    await house.go("one")
    await house.app.wait(first.execution_id)
    await house.fire(trigger, {"text": "two"})
    await as_if_killed(house, first, attempts=1)

    await house.until(first, FiringStatus.STARTED)

    assert await running(house) == ["two"]


async def test_what_has_begun_is_not_dead_though_it_cannot_be_audited(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = await house.triggered(SAYS)

    async def full(entry: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(house.desk.store, "record", full)

    assert (await house.fire(trigger, {"text": "x"})).status is FiringStatus.STARTED
    assert "the disk is full" in caplog.text
    assert len(await house.began("says")) == 1


async def test_a_store_that_cannot_write_is_not_asked_all_the_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = await house.triggered(SAYS)
    put, refused = house.desk.store.put_firing, list[str]()

    async def full(firing: Firing) -> bool:
        if firing.revision == 0:
            return await put(firing)
        refused.append(firing.id)
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(house.desk.store, "put_firing", full)
        firing = await house.desk.settled(await house.desk.fire(trigger, {"text": "x"}), 2)
    assert firing.status is FiringStatus.PENDING
    assert 1 <= len(refused) <= 4
    await house.until(firing, FiringStatus.STARTED)


async def test_when_one_ends_only_the_next_of_many_is_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = await house.triggered(WAITS, overlap="queue")
    first, *others = [await house.fire(trigger, {"text": str(n)}) for n in range(20)]
    put, looked = house.desk.store.put_firing, set[str]()

    async def counted(firing: Firing) -> bool:
        looked.add(firing.id)
        return await put(firing)

    monkeypatch.setattr(house.desk.store, "put_firing", counted)
    await house.go("0")
    await house.until(others[0], FiringStatus.STARTED)
    await house.app.wait(first.execution_id)

    assert looked <= {firing.id for firing in others[:2]}


async def test_a_trigger_that_cannot_be_read_can_be_switched_off(house: House) -> None:
    await house.app.register(SAYS)
    made = await house.desk.create("says", manual(id="mine"))
    await house.app.manager.delete_workflow("says")

    assert not (await house.desk.enable(made.id, False)).enabled
