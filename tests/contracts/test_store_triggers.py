"""What every `Store` owes of triggers, and of the lanes of their firings."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import InvalidInput, StoreError, TriggerNotFound
from assay.graphs.firing import PAYLOAD_LIMIT, Firing, Lane, Trigger
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

AT = "2026-11-21T09:30:00.000000Z"
NIGHTLY = Trigger(
    id="build.nightly",
    workflow="build",
    type="cron",
    document={"schedule": "0 3 * * *", "with": {"é": [1, None, {"a": 0.1}]}},
    version="2",
    declared=True,
    enabled=False,
    by="ann",
    profile="careful",
    created_at=AT,
    next_at=1.5,
    memory={"last": 1_790_000_000.125},
)
HOSTILE = ["a/b", "..", "__x__", "%", "é𝄞", "a b", "'; --", "x" * 2000, "A", "a\n", "%-"]


def trigger(id: str, workflow: str = "build", type: str = "cron", **given: Any) -> Trigger:
    return Trigger(id, workflow, type, **given)


async def ids(store: Store, **asked: Any) -> list[str]:
    """Of all pages of two."""
    found, after = [], None
    while True:
        page = await store.triggers(**asked, after=after, limit=2)
        found += [each.id for each in page.items]
        after = page.cursor
        if after is None:
            return found


async def test_a_trigger_comes_back_as_it_was_put(store: Store) -> None:
    plain = trigger("build.plain")
    for each in (NIGHTLY, plain):
        assert await store.put_trigger(each)
        assert await store.trigger(each.id) == each
    assert (await store.triggers()).items == [NIGHTLY, plain]
    with pytest.raises(TriggerNotFound, match=r"build\.none"):
        await store.trigger("build.none")


async def test_triggers_are_listed_by_id_of_all_of_a_workflow_and_of_a_type(store: Store) -> None:
    for id, workflow, type in (
        ("c", "build", "cron"),
        ("a", "build", "cron"),
        ("e", "buil", "cron"),
        ("b", "build", "chat"),
        ("d", "build/x", "cro"),
    ):
        await store.put_trigger(trigger(id, workflow, type))
    assert await ids(store) == list("abcde")
    assert await ids(store, workflow="build") == list("abc")
    assert await ids(store, workflow="buil") == ["e"]
    assert await ids(store, type="cron") == list("ace")
    assert await ids(store, type="c") == await ids(store, workflow="x") == []
    await store.put_trigger(trigger("a", "ship", "file", revision=1))
    assert await ids(store, workflow="build") == list("bc")
    assert await ids(store, type="file") == ["a"]


async def test_enabled_triggers_are_due_when_their_time_has_come_the_longest_first(
    store: Store,
) -> None:
    for id, at, enabled in (
        ("b", 10.0, True),
        ("e", 5.0, True),
        ("a", 10.0, True),
        ("c", None, True),
        ("d", 1.0, False),
        ("f", 10.5, True),
        ("g", -3.0, True),
    ):
        await store.put_trigger(trigger(id, next_at=at, enabled=enabled))
    assert await ids(store, due=10.0) == ["g", "e", "a", "b"]
    assert await ids(store, due=4.9) == ["g"]
    await store.put_trigger(trigger("e", next_at=20.0, revision=1))
    await store.put_trigger(trigger("d", next_at=1.0, revision=1))
    await store.put_trigger(trigger("g", next_at=-3.0, enabled=False, revision=1))
    assert await ids(store, due=10.0) == ["d", "a", "b"]
    await store.put_trigger(trigger("a", next_at=None, revision=1))
    await store.delete_trigger("b")
    assert await ids(store, due=30.0) == ["d", "f", "e"]


async def test_triggers_are_listed_by_one_thing_at_a_time(store: Store) -> None:
    for asked in (store.triggers(workflow="a", type="b"), store.triggers(type="a", due=0.0)):
        with pytest.raises(InvalidInput, match="one of them"):
            await asked
    for cursor in ("x", "", "1,0 a"):
        with pytest.raises(InvalidInput, match="no cursor"):
            await store.triggers(due=1.0, after=cursor)


async def test_a_trigger_is_replaced_by_whoever_is_first(two_stores: tuple[Store, Store]) -> None:
    stores = two_stores
    new = [trigger("t", by=f"{n}") for n in range(8)]
    made = await asyncio.gather(*(stores[n % 2].put_trigger(t) for n, t in enumerate(new)))
    assert made.count(True) == 1
    assert await stores[0].trigger("t") == new[made.index(True)]
    changed = [trigger("t", next_at=float(n), revision=1) for n in range(8)]
    made = await asyncio.gather(*(stores[n % 2].put_trigger(t) for n, t in enumerate(changed)))
    assert made.count(True) == 1
    kept = changed[made.index(True)]
    assert await stores[0].trigger("t") == await stores[1].trigger("t") == kept
    assert not await stores[0].put_trigger(trigger("t"))
    assert not await stores[0].put_trigger(trigger("t", revision=1))
    assert not await stores[0].put_trigger(trigger("t", revision=3))
    assert not await stores[0].put_trigger(trigger("other", revision=1))
    assert await stores[1].put_trigger(trigger("t", revision=2))


async def test_a_deleted_trigger_is_gone_with_its_lanes_and_its_firings_stay(
    store: Store,
) -> None:
    for id in ("t", "u"):
        await store.put_trigger(trigger(id, next_at=1.0))
        await store.put_lane(Lane(f"{id}1", id, AT))
        await store.put_lane(Lane(f"{id}2", id, AT, lasting=True))
        await store.put_firing(Firing(f"f{id}", id, "build", AT, f"e{id}"))
    for _ in range(2):
        await store.delete_trigger("t")
    assert await ids(store) == await ids(store, due=2.0) == ["u"]
    assert [each.id for each in (await store.lanes()).items] == ["u1", "u2"]
    assert (await store.firing("ft")).trigger == "t"
    assert not await store.put_trigger(trigger("t", revision=1))
    assert await store.put_trigger(trigger("t"))


@pytest.mark.parametrize("id", ["", "a\0", "\ud800"])
async def test_what_names_nothing_is_refused(store: Store, id: str) -> None:
    with pytest.raises(InvalidInput):
        await store.put_trigger(trigger(id))
    with pytest.raises(InvalidInput):
        await store.put_firing(Firing(id, "t", "build", AT, "e"))
    with pytest.raises(InvalidInput):
        await store.put_lane(Lane(id, "t", AT))


async def test_any_other_text_is_an_id_of_its_own(store: Store) -> None:
    for id in HOSTILE:
        assert await store.put_trigger(trigger(id, id, id, next_at=1.0))
        assert await store.put_lane(Lane(id, id, AT, {"is": id}))
    for id in HOSTILE:
        kept = trigger(id, id, id, next_at=1.0)
        assert await store.trigger(id) == kept
        assert (await store.triggers(workflow=id)).items == [kept]
        assert (await store.triggers(type=id)).items == [kept]
        assert await store.lane(id) == Lane(id, id, AT, {"is": id})
    assert sorted(await ids(store)) == sorted(await ids(store, due=1.0)) == sorted(HOSTILE)
    await store.delete_trigger("a/b")
    assert len(await ids(store)) == len((await store.lanes()).items) == len(HOSTILE) - 1


async def test_what_is_no_json_or_too_much_of_it_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match="Trigger t"):
        await store.put_trigger(trigger("t", document={"x": object()}))
    large = {"x": "a" * PAYLOAD_LIMIT}
    for each in (trigger("t", document=large), trigger("t", memory=large)):
        with pytest.raises(InvalidInput, match=r"Trigger t is too large.* 524,288"):
            await store.put_trigger(each)
    with pytest.raises(InvalidInput, match="Lane l of t is too large"):
        await store.put_lane(Lane("l", "t", AT, large))
    assert await ids(store) == []


# Lanes


async def test_a_lane_comes_back_as_it_was_put(store: Store) -> None:
    assert await store.lane("l") is None
    first = Lane("l", "t", AT, {"held": ["e"], "é": 0.5}, lasting=True)
    assert await store.put_lane(first)
    assert await store.lane("l") == first
    later = replace(first, document={}, lasting=False, at="2027", revision=1)
    assert await store.put_lane(later)
    assert await store.lane("l") == later


async def test_a_lane_is_replaced_by_whoever_is_first(two_stores: tuple[Store, Store]) -> None:
    for revision in range(3):
        lanes = [Lane("l", "t", AT, {"n": n}, revision=revision) for n in range(8)]
        made = await asyncio.gather(
            *(two_stores[n % 2].put_lane(lane) for n, lane in enumerate(lanes))
        )
        assert made.count(True) == 1
        kept = lanes[made.index(True)]
        assert await two_stores[0].lane("l") == await two_stores[1].lane("l") == kept
    assert not await two_stores[0].put_lane(Lane("l", "t", AT, revision=4))
    assert not await two_stores[0].put_lane(Lane("other", "t", AT, revision=1))


async def test_lanes_are_listed_by_id_in_pages(store: Store) -> None:
    for id in "cab":
        await store.put_lane(Lane(id, "t", AT))
    page = await store.lanes(limit=2)
    assert [each.id for each in page.items] == ["a", "b"]
    page = await store.lanes(after=page.cursor, limit=2)
    assert ([each.id for each in page.items], page.cursor) == (["c"], None)


async def test_triggers_are_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    first = await connect(lasting_url)
    lane, firing = Lane("l", NIGHTLY.id, AT), Firing("f", NIGHTLY.id, "build", AT, "e", due=1.0)
    for put in (first.put_trigger(NIGHTLY), first.put_lane(lane), first.put_firing(firing)):
        assert await put
    await first.close()
    again = await connect(lasting_url)
    try:
        assert (await again.triggers()).items == [NIGHTLY]
        assert await again.lane("l") == lane
        assert await again.due_firings(1.0) == [firing]
    finally:
        await again.close()
