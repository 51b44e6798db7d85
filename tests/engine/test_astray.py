"""What a living worker let go of while its store was away is not lost: it takes it up again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.api.app import App, open_app
from assay.graphs.errors import StoreUnavailable
from assay.graphs.execution import Status
from assay.store.firestore import database
from assay.store.firestore.database import Database

from .. import indexes
from ..emulators import Emulators
from ..running import mapping
from ..store.firestore.wire import Wire, wire

pytestmark = pytest.mark.anyio

PATIENCE = 60
STEP = "- {id: only, type: skill, skill: echo, inputs: {message: x}}"


@dataclass(frozen=True)
class Pair:
    """A worker at the end of a wire, and somebody who begins executions and drives none."""

    worker: App
    other: App
    line: Wire

    async def begun(self) -> str:
        return (await self.other.start(mapping(STEP))).id

    async def completes(self, id: str) -> None:
        async with asyncio.timeout(PATIENCE):
            ended = await self.other.manager.wait(id)
        assert ended.status is Status.COMPLETED


@pytest.fixture
async def pair(
    tmp_path: Path, emulated: Emulators, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    url = f"firestore://test-{secrets.token_hex(8)}?ttl=6"
    async with AsyncExitStack() as stack:
        other = open_app(url, workspace=tmp_path, home=tmp_path / "other")
        other_app = await stack.enter_async_context(other)
        other_app.manager.leaves = True
        line = await stack.enter_async_context(wire(emulated.firestore))
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.host)
        monkeypatch.setattr(database, "PATIENCE", 1.0)
        worker = open_app(url, workspace=tmp_path, home=tmp_path / "worker")
        worker_app = await stack.enter_async_context(worker)
        yield Pair(worker_app, other_app, line)


def when(
    monkeypatch: pytest.MonkeyPatch, call: str, of: str, doing: Callable[[], None]
) -> asyncio.Event:
    """Do it as the first such call is about to be made; set once it is done."""
    done = asyncio.Event()

    def watch(made: str, what: Any) -> None:
        indexes.check(made, what)
        if made == call and of in _named(made, what) and not done.is_set():
            doing()
            done.set()

    monkeypatch.setattr(Database, "watcher", watch)
    return done


def _named(call: str, what: Any) -> str:
    if call == "commit":
        return " ".join(write.update.name for write in what._write_pbs)
    return str(what._to_protobuf()) if call == "query" else ""


async def test_what_could_not_be_read_is_read_again_when_the_store_is_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await pair.begun()
    away = when(monkeypatch, "query", '"entries"', lambda: _cut(pair.line))
    pair.worker.manager.serve()
    async with asyncio.timeout(PATIENCE):
        await away.wait()
        while True:
            if not pair.worker.manager.provider.busy:
                break
            await asyncio.sleep(0.02)
    pair.line.cut = False
    await pair.completes(id)


async def test_a_lease_that_lapsed_before_it_was_used_is_taken_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await pair.begun()
    of_worker = 'field_path: "worker"'
    away = when(monkeypatch, "query", of_worker, lambda: _cut(pair.line))
    pair.worker.manager.serve()
    async with asyncio.timeout(PATIENCE):
        await away.wait()
        await pair.worker.manager.store.lapse()
    pair.line.cut = False
    await pair.completes(id)


async def test_a_lease_that_was_got_without_an_answer_is_found_to_be_got(
    pair: Pair,
) -> None:
    id = await pair.begun()
    await unheard(pair.line, pair.worker.manager.provider.take(id))
    assert await pair.other.manager.store.holder(id) == pair.worker.manager.store.worker
    await pair.completes(id)


async def test_an_execution_whose_beginning_was_written_without_an_answer_goes_on(
    pair: Pair,
) -> None:
    await unheard(pair.line, pair.worker.start(mapping(STEP)))
    (begun,) = (await pair.other.manager.executions()).items
    await pair.completes(begun.id)


def _cut(line: Wire) -> None:
    line.cut = True
    line.hang_up()


async def unheard(line: Wire, doing: Coroutine[Any, Any, object]) -> None:
    """Do it: the lease is written, and nobody hears of it in time."""

    def deafen() -> None:
        line.deaf = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "DEADLINE", 1.0)
        when(patch, "commit", "/leases/", deafen)
        with pytest.raises(StoreUnavailable):
            await doing
    line.deaf = False
    line.hang_up()
