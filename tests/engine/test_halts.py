"""An execution that comes to a halt says so, also when it does so again at once."""

from __future__ import annotations

import asyncio

import pytest

from assay.graphs.event import EventType
from assay.graphs.execution import Status
from assay.graphs.stored import Commit

from ..running import House, Order, note, statuses
from .asking import answered, asked
from .lasting import happened

pytestmark = pytest.mark.anyio


async def test_it_is_paused_although_the_answer_came_while_that_was_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went on, and was held again before the store had said that it was paused before."""
    manager, order = house.app.manager, Order(house)
    execution = await house.start(f"- {{id: ask, type: approval, message: x}}\n- {note('a')}")
    await asked(house, execution, "ask")
    commit, written, go = manager.store.commit, asyncio.Event(), asyncio.Event()

    async def slow(what: Commit) -> bool:
        if what.execution is not None and what.execution.status is Status.PAUSED:
            written.set()
            await go.wait()
        return await commit(what)

    monkeypatch.setattr(manager.store, "commit", slow)
    await manager.pause(execution.id)
    await written.wait()
    await answered(house, execution, "ask")
    async with asyncio.timeout(60):
        for busy in (True, False):  # nothing is written that would tell of it
            while bool(house.app.manager.provider.busy) is not busy:  # noqa: ASYNC110
                await asyncio.sleep(0)
    go.set()
    await happened(house, execution, EventType.STEP_COMPLETED, "ask")
    async with asyncio.timeout(60):
        paused = await manager.wait(execution.id, until=(Status.PAUSED,))

    assert (statuses(paused), order.seen) == ({"ask": "completed"}, [])
