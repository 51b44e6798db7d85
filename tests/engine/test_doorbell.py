"""Workers on one Firestore database hear of each other over Pub/Sub, without looking around."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from assay.api.app import App, open_app
from assay.graphs.execution import Status
from assay.graphs.lease import Pace
from assay.store.buses import setup_bus

from ..running import mapping

pytestmark = pytest.mark.anyio

ASK = "{id: ask, type: approval, message: x}"


@pytest.fixture
async def two(
    tmp_path: Path, emulated: object, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[App, App]]:
    """An app that only starts executions, and one that serves; neither ever looks around."""
    from assay.store.firestore import store

    monkeypatch.setattr(store, "PACE", Pace(listen=3600.0, sweep=3600.0))
    project = f"test-{secrets.token_hex(8)}"
    await setup_bus(f"pubsub://{project}")
    async with AsyncExitStack() as stack:
        apps = []
        for name in ("front", "worker"):
            environ = {"ASSAY_BUS": f"pubsub://{project}"}
            opened = open_app(
                f"firestore://{project}", workspace=tmp_path, environ=environ, home=tmp_path / name
            )
            apps.append(await stack.enter_async_context(opened))
        apps[1].manager.serve()
        yield apps[0], apps[1]


async def test_an_answer_wakes_a_worker_that_serves(
    two: tuple[App, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.graphs import drive

    monkeypatch.setattr(drive, "WARM", 0.0)  # it leaves memory as soon as it waits
    front, worker = two
    execution = await front.start(
        mapping(f"- {ASK}\n- {{id: then, type: skill, skill: echo, inputs: {{message: x}}}}")
    )
    await front.manager.wait(execution.id, until=(Status.WAITING,))
    await front.manager._provider.wait(execution.id)
    (question,) = (await front.manager.questions()).items
    async with asyncio.timeout(20):
        await front.manager.answer(question.id)
        ended = await worker.manager.wait(execution.id)
    assert ended.status is Status.COMPLETED


async def test_a_stop_reaches_the_worker_that_drives(two: tuple[App, App]) -> None:
    front, worker = two
    execution = await worker.start(mapping("- {id: long, type: sleep, duration: 300s}"))
    await worker.manager.wait(execution.id, until=(Status.WAITING,))
    async with asyncio.timeout(20):
        stopping = asyncio.create_task(front.manager.stop(execution.id))
        ended = await worker.manager.wait(execution.id)
    stopping.cancel()
    assert ended.status is Status.CANCELLED
