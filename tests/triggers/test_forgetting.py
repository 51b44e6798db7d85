"""Old firings are forgotten while triggers are served."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from tests.triggers.test_dispatch import WAITS, opened

from assay.graphs.execution import timestamp
from assay.graphs.firing import KEPT, Firing, FiringStatus, lane_id
from assay.triggers.forgetting import hold

pytestmark = pytest.mark.anyio


async def test_whoever_serves_forgets_what_is_old(tmp_path: Path) -> None:
    async with opened(tmp_path / "house", firing=False) as house:
        store = house.desk.store
        for id, at in (("old", "2020-01-01T00:00:00.000000Z"), ("young", timestamp())):
            await store.put_firing(Firing(id, "t", "w", at, id, status=FiringStatus.DEAD))
        async with house.app.triggers.running(), asyncio.timeout(60):
            while len((await store.firings()).items) > 1:  # noqa: ASYNC110 - nobody says so
                await asyncio.sleep(0.01)
        assert (await store.firing("young")).status is FiringStatus.DEAD


async def test_whose_turn_it_is_is_not_forgotten_before_its_execution_ends(tmp_path: Path) -> None:
    async with opened(tmp_path / "house") as house:
        store, now = house.desk.store, house.desk.now()
        trigger = await house.triggered(WAITS, overlap="queue")
        first = await house.fire(trigger, {"text": "one"})
        house.desk.now = partial(float, now + 0.7 * KEPT)
        await hold(house.desk)

        later = "2100-01-01T00:00:00.000000Z"
        assert await store.prune_firings(later) == 1
        second = await house.fire(trigger, {"text": "two"})
        assert second.status is FiringStatus.WAITING

        await house.go("one")
        await house.app.wait(first.execution_id)
        await house.until(second, FiringStatus.STARTED)
        lane = await store.lane(lane_id(trigger.id, ""))
        assert lane is not None
        assert not lane.lasting
