"""A worker whose store is away stops driving before others may begin to, and not much sooner."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.api.app import App, open_app
from assay.graphs.execution import Status

from ..emulators import Emulators
from ..proxy import Proxy
from ..running import mapping

pytestmark = pytest.mark.anyio

TTL = 6.0
TAKEN_AFTER = TTL * 1.25
"""Seconds after a worker's last beat in which nobody takes over: two looks, a beat apart."""

HOLD = """
- {id: before, type: skill, skill: echo, inputs: {message: x}}
- {id: hold, type: shell, command: 'echo $$ >> pids; while [ ! -f go ]; do sleep 0.05; done'}
"""


@dataclass(frozen=True)
class Two:
    """A worker whose way to the store can be cut, and somebody else."""

    worker: App
    other: App
    proxy: Proxy
    folder: Path

    async def begun(self, times: int) -> int:
        """The process of the step, once it has been begun so often."""
        async with asyncio.timeout(60):
            while True:
                pids = self._pids()
                if len(pids) >= times:
                    return pids[-1]
                await asyncio.sleep(0.02)

    def _pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(each) for each in file.read_text().split()] if file.exists() else []


@pytest.fixture
async def two(
    tmp_path: Path, emulated: Emulators, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Two]:
    url = f"firestore://test-{secrets.token_hex(8)}?ttl={TTL}"
    host, _, port = emulated.firestore.rpartition(":")
    folder = tmp_path / "workspace"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(host, int(port)))
        other = open_app(url, workspace=folder, home=tmp_path / "other")
        other_app = await stack.enter_async_context(other)
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.address)
        worker = open_app(url, workspace=folder, home=tmp_path / "worker")
        worker_app = await stack.enter_async_context(worker)
        yield Two(worker_app, other_app, proxy, folder)


async def cut_off(two: Two, pid: int) -> None:
    """Cut the worker off; returns when the step's process is gone, in time and not too early."""
    two.proxy.cut()
    cut = time.monotonic()
    async with asyncio.timeout(TAKEN_AFTER - TTL / 4):
        while True:
            if not runs(pid):
                break
            await asyncio.sleep(0.02)
    assert time.monotonic() - cut > TTL * 0.4  # at least one beat has failed by then


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_ends_what_runs_writes_nothing_and_goes_on_when_the_store_is_back(
    two: Two,
) -> None:
    started = await two.worker.start(mapping(HOLD))
    pid = await two.begun(1)
    await two.other.manager.wait(started.id, until=(Status.RUNNING,))
    await cut_off(two, pid)
    seen = [event async for event in two.other.manager.events(started.id)]
    two.proxy.restore()
    assert await two.begun(2) != pid
    (two.folder / "go").touch()
    ended = await two.other.manager.wait(started.id)
    assert ended.status is Status.COMPLETED
    events = [event async for event in two.other.manager.events(started.id)]
    assert events[: len(seen)] == seen
    said = [event.type.value for event in events[len(seen) :]]
    assert "execution.queued" not in said  # as it is when a worker lets go in order
    assert await two.other.manager.store.holder(started.id) is None


async def test_what_another_worker_took_meanwhile_is_left_to_it(two: Two) -> None:
    started = await two.worker.start(mapping(HOLD))
    pid = await two.begun(1)
    await cut_off(two, pid)
    two.other.manager.serve()
    await two.begun(2)
    two.proxy.restore()
    holder = await two.other.manager.store.holder(started.id)
    assert holder == two.other.manager.store.worker
    worker = two.worker.manager.store
    async with asyncio.timeout(60):
        while True:
            if await worker.holder(started.id) == holder:  # it reads the store again
                break
    (two.folder / "go").touch()
    ended = await two.worker.manager.wait(started.id)
    assert ended.status is Status.COMPLETED
    assert len(two._pids()) == 2
