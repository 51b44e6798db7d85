"""Old firings are forgotten while triggers are served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.triggers.test_dispatch import opened

from assay.graphs.execution import timestamp
from assay.graphs.firing import Firing, FiringStatus

pytestmark = pytest.mark.anyio


async def test_whoever_serves_forgets_what_is_old(tmp_path: Path) -> None:
    async with opened(tmp_path / "house", firing=False) as house:
        store = house.desk.store
        for id, at in (("old", "2020-01-01T00:00:00.000000Z"), ("young", timestamp())):
            await store.put_firing(Firing(id, "t", "w", at, id, status=FiringStatus.DEAD))
        async with house.app.triggers.running(), asyncio.timeout(20):
            while len((await store.firings()).items) > 1:  # noqa: ASYNC110 - nobody says so
                await asyncio.sleep(0.01)
        assert (await store.firing("young")).status is FiringStatus.DEAD
