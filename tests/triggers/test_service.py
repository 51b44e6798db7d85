"""What serves triggers begins again what fails, and leaves nobody behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import StoreUnavailable
from assay.graphs.event import Event
from assay.graphs.firing import FiringStatus

from .test_dispatch import WAITS, opened

pytestmark = pytest.mark.anyio


async def test_who_is_cancelled_twice_leaves_nobody_behind(tmp_path: Path) -> None:
    async with opened(tmp_path / "house", firing=False) as house:
        there = asyncio.all_tasks()
        serving = asyncio.Event()

        async def serve() -> None:
            async with house.app.triggers.running():
                serving.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(serve())
        await serving.wait()
        begun = asyncio.all_tasks() - there
        task.cancel()
        while not any(each.cancelling() for each in begun - {task}):  # noqa: ASYNC110 - it ends
            await asyncio.sleep(0)
        task.cancel()

        _, left = await asyncio.wait(begun, timeout=60)
        assert not left


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "ends"])
async def test_who_hears_no_more_of_what_happens_listens_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    async with opened(tmp_path / "house", firing=False) as house:
        follow, asked = house.app.manager.follow, asyncio.Event()
        times = 0

        async def nothing() -> AsyncIterator[Event]:
            if fails:
                raise StoreUnavailable("gone")
            for event in list[Event]():
                yield event

        def once_in_vain(*given: Any, **named: Any) -> AsyncIterator[Event]:
            nonlocal times
            times += 1
            if times == 1:
                return nothing()
            asked.set()
            return follow(*given, **named)

        trigger = await house.triggered(WAITS, overlap="queue")
        monkeypatch.setattr(house.app.manager, "follow", once_in_vain)
        async with house.app.triggers.running():
            async with asyncio.timeout(60):
                await asked.wait()
            firing = await house.fire(trigger, {"text": "one"})
            assert firing.status is FiringStatus.STARTED
