"""Firings become executions on Firestore as well, one each, whoever else deals with them."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.emulators import Emulators
from tests.triggers.test_dispatch import SAYS, manual

from assay.api.app import App, open_app
from assay.graphs.firing import FiringStatus

pytestmark = pytest.mark.anyio

SAME = 12
"""Things that come, each to both."""


async def served(stack: AsyncExitStack, home: Path, url: str) -> App:
    app = await stack.enter_async_context(open_app(url, home=home, workspace=home, environ={}))
    app.manager.serve()
    await stack.enter_async_context(app.triggers.running())
    return app


@pytest.mark.parametrize("overlap", ["parallel", "queue"])
async def test_what_comes_to_two_at_once_begins_once(
    emulated: Emulators, tmp_path: Path, overlap: str
) -> None:
    url = f"firestore://test-{secrets.token_hex(8)}"
    async with AsyncExitStack() as stack:
        apps = [await served(stack, tmp_path, url) for _ in range(2)]
        assert all(type(app.manager.store).__name__ == "FirestoreStore" for app in apps)
        await apps[0].register({**SAYS, "triggers": [manual(overlap=overlap)]})
        trigger = await apps[1].triggers.desk.store.trigger("says.manual")
        fired = await asyncio.gather(
            *(
                app.triggers.desk.fire(trigger, {"text": str(number)}, id=str(number))
                for number in range(SAME)
                for app in apps
            )
        )
        by_id = {firing.id: firing for firing in fired}
        assert len(by_id) == SAME
        desk = apps[0].triggers.desk
        over = [await desk.settled(firing, 60, over=True) for firing in by_id.values()]
        assert {firing.status for firing in over} == {FiringStatus.STARTED}
        begun = (await apps[0].manager.executions(workflow="says", limit=100)).items
        assert sorted(each.id for each in begun) == sorted(each.execution_id for each in over)
        assert sorted(each.inputs["text"] for each in begun) == sorted(map(str, range(SAME)))
