"""Firings of every `Store` against a model that is a dictionary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.graphs.firing import Firing, FiringStatus, Lane

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


class Put(NamedTuple):
    """A firing, or a lane, as somebody would have it who believes in that revision."""

    id: str
    trigger: str
    second: int
    status: FiringStatus
    due: float | None
    lane: str
    stale: bool


class PutLane(NamedTuple):
    id: str
    second: int
    lasting: bool
    stale: bool


class Prune(NamedTuple):
    before: int


seconds = st.integers(0, 9)
lanes = st.sampled_from(["", "l", "m"])
puts = st.builds(
    Put,
    st.sampled_from(["a", "b", "a/b", "c"]),
    st.sampled_from(["t", "t/x", "u"]),
    seconds,
    st.sampled_from(FiringStatus),
    st.none() | st.integers(0, 9).map(float),
    lanes,
    st.integers(0, 4).map(lambda n: n == 0),
)
lane_puts = st.builds(PutLane, st.sampled_from(["l", "m"]), seconds, st.booleans(), st.booleans())
does = st.lists(puts | puts | lane_puts | st.builds(Prune, seconds), max_size=25)


def at(second: int) -> str:
    return f"2026-11-21T09:30:{second:02}.000000Z"


class Model:
    """What a store should hold."""

    def __init__(self) -> None:
        self.firings: dict[str, Firing] = {}
        self.lanes: dict[str, Lane] = {}

    def prune(self, before: str) -> int:
        old = [f.id for f in self.firings.values() if f.at < before and not f.status.open]
        for id in old:
            del self.firings[id]
        needed = {firing.lane for firing in self.firings.values() if firing.status.open}
        for lane in list(self.lanes.values()):
            if lane.at < before and not lane.lasting and lane.id not in needed:
                del self.lanes[lane.id]
        return len(old)


async def clear(store: Store) -> None:
    """Hypothesis tries many on one store."""
    for firing in (await store.firings()).items:
        revision = firing.revision + 1
        await store.put_firing(replace(firing, status=FiringStatus.DEAD, revision=revision))
    for lane in (await store.lanes()).items:
        await store.put_lane(replace(lane, lasting=False, revision=lane.revision + 1))
    await store.prune_firings(at(59))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(does)
async def test_a_store_holds_what_was_put_into_it_last(
    store: Store, done: list[Put | PutLane | Prune]
) -> None:
    await clear(store)
    model = Model()
    for each in done:
        if isinstance(each, Prune):
            assert await store.prune_firings(at(each.before)) == model.prune(at(each.before))
        elif isinstance(each, PutLane):
            there = model.lanes.get(each.id)
            revision = (0 if there is None else there.revision + 1) + each.stale
            lane = Lane(each.id, "t", at(each.second), {}, each.lasting, revision)
            assert await store.put_lane(lane) is not each.stale
            if not each.stale:
                model.lanes[each.id] = lane
        else:
            was = model.firings.get(each.id)
            revision = (0 if was is None else was.revision + 1) + each.stale
            firing = Firing(each.id, each.trigger, "w", at(each.second), "e", each.second)
            firing = replace(
                firing, status=each.status, due=each.due, lane=each.lane, revision=revision
            )
            assert await store.put_firing(firing) is not each.stale
            if not each.stale:
                model.firings[each.id] = firing
    await check(store, model)


async def check(store: Store, model: Model) -> None:
    kept = model.firings.values()
    assert {lane.id: lane for lane in (await store.lanes()).items} == model.lanes
    for trigger in (None, "t", "t/x", "u"):
        for status in (None, FiringStatus.PENDING, FiringStatus.STARTED):
            wanted = [
                f for f in kept if trigger in (None, f.trigger) and status in (None, f.status)
            ]
            found = (await store.firings(trigger=trigger, status=status)).items
            assert [f.at for f in found] == sorted((f.at for f in wanted), reverse=True)
            assert sorted(found, key=lambda f: f.id) == sorted(wanted, key=lambda f: f.id)
    due = await store.due_firings(5.0)
    assert [f.due for f in due] == sorted(f.due for f in due if f.due is not None)
    assert {f.id for f in due} == {f.id for f in kept if f.due is not None and f.due <= 5.0}
