"""Messages that come when nobody can do anything with them any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message
from assay.graphs.steps.deterministic import current_call

from ..running import open_house

pytestmark = pytest.mark.anyio


async def test_what_comes_as_an_execution_ends_keeps_nothing_back(tmp_path: Path) -> None:
    """Its lease is given back, and no message lies in its inbox for ever."""
    async with open_house(tmp_path) as house:
        store = house.app.manager.store

        async def tell() -> None:
            call = current_call()
            await store.post(Message(call.run.execution.id, Command.RESUME))

        house.app.function("tell", tell)
        execution = await house.run("- {id: tell, type: python, function: tell}")
        assert execution.status is Status.COMPLETED
        assert await store.inbox(store.worker) == []
        assert await store.holder(execution.id) is None
