"""What every `Store` owes of firings, the durable queue between triggers and executions."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import FiringNotFound, InvalidInput, StoreError
from assay.graphs.firing import PAYLOAD_LIMIT, Firing, FiringStatus, Lane, firing_id

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

PENDING, WAITING, STARTED = FiringStatus.PENDING, FiringStatus.WAITING, FiringStatus.STARTED
FULL = Firing(
    id="f",
    trigger="build.nightly",
    workflow="build",
    at="2026-11-21T09:30:00.123456Z",
    execution_id="e",
    payload={"é": [1, None, {"a": 0.1}], "sha256": "0" * 64},
    attributes={"content-type": "text/plain", "x": ""},
    status=FiringStatus.DEAD,
    due=1_790_000_000.125,
    attempts=3,
    depth=2,
    lane="l",
    into="other",
    merged=("a", "b"),
    reason="it failed",
    by="ann",
    profile="careful",
)


def at(second: int) -> str:
    return f"2026-11-21T09:30:{second:02}.000000Z"


def firing(id: str, trigger: str = "t", second: int = 0, **given: Any) -> Firing:
    return Firing(id, trigger, "build", at(second), f"e-{id}", **given)


async def ids(store: Store, **asked: Any) -> list[str]:
    """Of all pages of two."""
    found, after = [], None
    while True:
        page = await store.firings(**asked, after=after, limit=2)
        found += [each.id for each in page.items]
        after = page.cursor
        if after is None:
            return found


async def test_a_firing_comes_back_as_it_was_put(store: Store) -> None:
    plain = firing("plain")
    for each in (FULL, plain, replace(plain, id="text", payload="☃", revision=0)):
        assert await store.put_firing(each)
        assert await store.firing(each.id) == each
    assert (await store.firings(trigger=FULL.trigger)).items == [FULL]
    with pytest.raises(FiringNotFound, match="none"):
        await store.firing("none")


async def test_an_id_is_put_once_however_many_try(two_stores: tuple[Store, Store]) -> None:
    for round in range(5):
        new = [replace(firing(f"{round}"), execution_id=f"e{n}") for n in range(8)]
        made = await asyncio.gather(*(two_stores[n % 2].put_firing(f) for n, f in enumerate(new)))
        assert made.count(True) == 1
        kept = new[made.index(True)]
        assert [await each.firing(kept.id) for each in two_stores] == [kept, kept]


async def test_a_firing_is_claimed_by_whoever_is_first(two_stores: tuple[Store, Store]) -> None:
    of = firing("f", due=1.0)
    await two_stores[0].put_firing(of)
    for revision in range(1, 4):
        # The same in all but who would have it: nobody may take another's claim for its own.
        claims = [replace(of, due=30.0, attempts=revision, revision=revision)] * 8
        made = await asyncio.gather(
            *(two_stores[n % 2].put_firing(claim) for n, claim in enumerate(claims))
        )
        assert made.count(True) == 1
    assert not await two_stores[1].put_firing(replace(of, revision=0))
    assert not await two_stores[1].put_firing(replace(of, revision=3))
    assert not await two_stores[1].put_firing(replace(of, revision=5))
    assert not await two_stores[1].put_firing(firing("other", revision=1))
    assert (await two_stores[0].firing("f")).attempts == 3


async def test_what_is_due_is_found_the_longest_due_first(store: Store) -> None:
    for id, due in (("b", 2.0), ("c", 3.0), ("n", None), ("a", 1.5)):
        await store.put_firing(firing(id, due=due))

    async def found(now: float, limit: int = 100) -> str:
        return "".join(each.id for each in await store.due_firings(now, limit=limit))

    assert [await found(now) for now in (1.4, 1.5, 2.5, 3.0)] == ["", "a", "ab", "abc"]
    assert await found(9.0, limit=2) == "ab"
    await store.put_firing(firing("a", due=8.0, status=WAITING, revision=1))
    await store.put_firing(firing("b", due=None, status=STARTED, revision=1))
    await store.put_firing(firing("n", due=0.0, revision=1))
    assert await found(9.0) == "nca"


async def test_firings_are_listed_newest_first_by_trigger_and_by_status(store: Store) -> None:
    for second, (id, trigger, status) in enumerate(
        [
            ("d", "t", PENDING),
            ("b", "u", STARTED),
            ("e", "t", STARTED),
            ("a", "t/x", PENDING),
            ("c", "t", PENDING),
        ]
    ):
        await store.put_firing(firing(id, trigger, second, status=status))
    assert await ids(store) == list("caebd")
    assert await ids(store, trigger="t") == list("ced")
    assert await ids(store, status=PENDING) == list("cad")
    assert await ids(store, trigger="t", status=PENDING) == list("cd")
    assert await ids(store, trigger="x") == await ids(store, status=FiringStatus.DEAD) == []
    await store.put_firing(firing("c", "t", 4, status=STARTED, revision=1))
    assert await ids(store, trigger="t", status=PENDING) == ["d"]
    assert await ids(store, trigger="t", status=STARTED) == list("ce")
    assert await ids(store, trigger="t") == list("ced")


async def test_firings_of_one_moment_are_listed_each_once(store: Store) -> None:
    kept = {f"f{number}" for number in range(7)}
    for id in kept:
        await store.put_firing(firing(id))
    for asked in ({}, {"trigger": "t"}, {"status": PENDING}):
        listed = await ids(store, **asked)
        assert len(listed) == len(kept)
        assert set(listed) == kept


@pytest.mark.parametrize("cursor", ["", "x", "2026", "9" * 30])
async def test_a_cursor_that_was_never_given_out_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="no cursor"):
        await store.firings(after=cursor)


async def test_any_text_is_an_id_of_its_own(store: Store) -> None:
    hostile = ["a/b", "..", "__x__", "%", "é𝄞", "'; --", "x" * 2000, "A", "a", "a\n", "%-"]
    for id in hostile:
        assert await store.put_firing(firing(id, id, lane=id, by=id))
    for id in hostile:
        kept = firing(id, id, lane=id, by=id)
        assert await store.firing(id) == kept
        assert (await store.firings(trigger=id)).items == [kept]
        assert (await store.firings(trigger=id, status=PENDING)).items == [kept]
    assert sorted(await ids(store)) == sorted(hostile)


async def test_a_payload_may_be_large_and_no_larger(store: Store) -> None:
    # Two bytes of quotes; random text, for compression must not be what makes room.
    text = os.urandom(PAYLOAD_LIMIT).hex()[: PAYLOAD_LIMIT - 2 - len('{"a":"b"}')]
    most = firing("f", payload=text, attributes={"a": "b"}, due=1.0)
    assert await store.put_firing(most)
    assert await store.firing("f") == most
    claimed = replace(most, attempts=1, revision=1)
    assert await store.put_firing(claimed)
    assert await store.due_firings(1.0) == [claimed]
    for more in (replace(most, payload=f"{text}a"), replace(most, attributes={"a": "bb"})):
        with pytest.raises(InvalidInput, match=r"Firing f of t is too large.* 524,288"):
            await store.put_firing(replace(more, revision=2))
    assert await store.firing("f") == claimed


async def test_what_is_no_json_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match="Firing f of t"):
        await store.put_firing(firing("f", payload=object()))
    assert await ids(store) == []


async def test_what_is_old_and_closed_is_forgotten(store: Store) -> None:
    closed = [(status.value, status) for status in FiringStatus if not status.open]
    kept = [("pending", PENDING), ("waiting", WAITING), *closed, ("young", STARTED)]
    young = at(len(kept) - 1)
    for second, (id, status) in enumerate(kept):
        await store.put_firing(firing(id, "t", second, status=status))
    assert await store.prune_firings(at(0)) == 0
    assert await store.prune_firings(young) == len(closed)
    assert await store.prune_firings(young) == 0
    assert await ids(store) == ["young", "waiting", "pending"]
    # A firing that was waited for long is old at once when it is closed.
    await store.put_firing(firing("waiting", "t", 1, status=STARTED, revision=1))
    assert await store.prune_firings(young) == 1
    with pytest.raises(FiringNotFound):
        await store.firing("waiting")
    # What was forgotten can come again.
    assert await store.put_firing(firing("waiting"))


async def test_many_are_forgotten_at_once(store: Store) -> None:
    count = 1100 if "Sqlite" in type(store).__name__ else 450
    await asyncio.gather(
        *(store.put_firing(firing(f"{n}", "t", n % 60, status=STARTED)) for n in range(count))
    )
    assert await store.prune_firings("2026-11-21T09:30:59.5") == count
    assert await ids(store) == []


async def test_lanes_that_nobody_has_changed_or_waits_in_are_forgotten(store: Store) -> None:
    for id, second, lasting in (
        ("old", 1, False),
        ("left", 1, False),
        ("needed", 1, False),
        ("lasting", 1, True),
        ("young", 9, False),
    ):
        await store.put_lane(Lane(id, "t", at(second), lasting=lasting))
    await store.put_firing(firing("f", "t", 1, status=WAITING, lane="needed"))
    await store.put_firing(firing("g", "t", 8, status=STARTED, lane="left"))

    async def lanes() -> list[str]:
        return [each.id for each in (await store.lanes()).items]

    assert await store.prune_firings(at(5)) == 0
    assert await lanes() == ["lasting", "needed", "young"]
    await store.put_firing(firing("f", "t", 1, status=STARTED, lane="needed", revision=1))
    await store.put_lane(Lane("lasting", "t", at(1), lasting=False, revision=1))
    assert await store.prune_firings(at(5)) == 1
    assert await lanes() == ["young"]


def test_ids_of_firings_are_the_same_for_the_same_and_no_others() -> None:
    assert firing_id("t", "1") == firing_id("t", "1")
    made = [firing_id(*each) for each in (("t", "1"), ("t1", ""), ("t", "2"), ("u", "1"))]
    assert len(set(made)) == len(made)
    assert json.dumps(made).isascii()
