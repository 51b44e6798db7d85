"""Workers on one Firestore database hear of each other over Pub/Sub, without looking around."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import App, open_app
from assay.graphs.execution import Status
from assay.graphs.lease import Pace
from assay.store.buses import setup_bus

from ..running import mapping

pytestmark = pytest.mark.anyio

ASK = "{id: ask, type: approval, message: x}"


@pytest.fixture
async def gone() -> AsyncIterator[AsyncExitStack]:
    """Closes the third of three apps."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def three(
    tmp_path: Path, emulated: object, monkeypatch: pytest.MonkeyPatch, gone: AsyncExitStack
) -> AsyncIterator[tuple[App, App, App]]:
    """An app that only starts executions, one that serves, and one more that only starts some;
    none ever looks around."""
    from assay.store.firestore import store

    monkeypatch.setattr(store, "PACE", Pace(listen=3600.0, sweep=3600.0))
    project = f"test-{secrets.token_hex(8)}"
    await setup_bus(f"pubsub://{project}")

    def opened(name: str) -> AbstractAsyncContextManager[App]:
        environ = {"ASSAY_BUS": f"pubsub://{project}"}
        url = f"firestore://{project}"
        return open_app(url, workspace=tmp_path, environ=environ, home=tmp_path / name)

    async with opened("front") as front, opened("worker") as worker:
        worker.manager.serve()
        yield front, worker, await gone.enter_async_context(opened("short-lived"))


@pytest.fixture
def two(three: tuple[App, App, App]) -> tuple[App, App]:
    """The app that only starts executions, and the one that serves."""
    return three[:2]


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
    await front.manager.provider.wait(execution.id)
    (question,) = (await front.manager.questions()).items
    async with asyncio.timeout(60):
        await front.manager.answer(question.id)
        ended = await worker.manager.wait(execution.id)
    assert ended.status is Status.COMPLETED


async def test_a_stop_reaches_the_worker_that_drives(two: tuple[App, App]) -> None:
    front, worker = two
    execution = await worker.start(mapping("- {id: long, type: sleep, duration: 300s}"))
    await worker.manager.wait(execution.id, until=(Status.WAITING,))
    async with asyncio.timeout(60):
        stopping = asyncio.create_task(front.manager.stop(execution.id))
        ended = await worker.manager.wait(execution.id)
    stopping.cancel()
    assert ended.status is Status.CANCELLED


HELD = {"id": "ask", "type": "approval", "message": "x"}
THEN = {"id": "then", "type": "skill", "skill": "echo", "inputs": {"message": "x"}}


def in_turn(overflow: str = "queue") -> dict[str, Any]:
    concurrency = {"key": "k", "overflow": overflow}
    return {"name": "w", "concurrency": concurrency, "steps": [HELD, THEN]}


async def answered(app: App, execution_id: str) -> None:
    await app.manager.wait(execution_id, until=(Status.WAITING,))
    (question,) = (await app.manager.questions(execution_id=execution_id)).items
    await app.manager.answer(question.id)


async def test_a_turn_is_rung_for_when_its_owner_is_gone(
    three: tuple[App, App, App], gone: AsyncExitStack
) -> None:
    """Whoever gives the slot up serves nobody, and whoever serves does not look around."""
    front, worker, short_lived = three
    holder = await front.start(in_turn())
    await front.manager.wait(holder.id, until=(Status.WAITING,))
    following = await short_lived.start(in_turn())
    await gone.aclose()

    async with asyncio.timeout(60):
        await answered(front, holder.id)
        await answered(front, following.id)
        ended = await worker.manager.wait(following.id)
    assert ended.status is Status.COMPLETED


async def test_whoever_is_to_be_replaced_is_told_and_the_next_goes_on(
    two: tuple[App, App],
) -> None:
    front, worker = two
    holder = await worker.start(in_turn("replace"))
    await worker.manager.wait(holder.id, until=(Status.WAITING,))

    async with asyncio.timeout(60):
        newcomer = await front.start(in_turn("replace"))
        replaced = await worker.manager.wait(holder.id)
        await answered(front, newcomer.id)
        ended = await worker.manager.wait(newcomer.id)
    assert (replaced.status, ended.status) == (Status.CANCELLED, Status.COMPLETED)
