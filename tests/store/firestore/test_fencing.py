"""Workers that fall silent, are taken over, and wake up again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from tests.stored import begun, entry, execution, journal, queued

from assay.graphs.errors import LeaseLost
from assay.graphs.stored import Commit
from assay.store.firestore import workers
from assay.store.firestore.database import Database
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio

HOUSE = Path(__file__).resolve().parents[3]
TTL = 1.0


@asynccontextmanager
async def opened(project: str, ttl: float = TTL) -> AsyncIterator[FirestoreStore]:
    store = await FirestoreStore.open(project, ttl=ttl)
    try:
        yield store
    finally:
        await store.close()


async def until_ready(store: FirestoreStore, id: str) -> None:
    async with asyncio.timeout(60):
        while id not in await store.ready(store.worker, now=0):  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.05)


@pytest.fixture
def sleeper(project: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that begins an execution, and commits to it when a line is written."""
    command = [sys.executable, "-m", "tests.store.firestore.sleeper", project, str(TTL)]
    with subprocess.Popen(
        command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


async def test_a_worker_that_was_frozen_and_taken_over_writes_nothing_when_it_wakes(
    project: str, sleeper: subprocess.Popen[str]
) -> None:
    assert sleeper.stdin
    assert sleeper.stdout
    assert (await asyncio.to_thread(sleeper.stdout.readline)).startswith("epoch 1")
    async with opened(project) as other:
        assert await other.holder("e") is not None
        assert await other.ready(other.worker, now=0) == []
        assert await other.claim("e", other.worker) is None
        os.kill(sleeper.pid, signal.SIGSTOP)

        await until_ready(other, "e")
        lease = await other.claim("e", other.worker)
        assert lease is not None
        assert lease.epoch == 2
        await other.commit(Commit(lease, entry(2)))

        os.kill(sleeper.pid, signal.SIGCONT)
        sleeper.stdin.write("commit\n")
        sleeper.stdin.flush()
        said = await asyncio.to_thread(sleeper.stdout.readline)
        assert said.startswith("lost: Execution e is driven by another worker now")
        assert [e.data for e in await journal(other, "e")] == [b"first", entry(2).data]
        assert await other.holder("e") == other.worker
        await other.commit(Commit(lease, entry(3)))


async def test_a_worker_that_is_alive_keeps_its_leases_longer_than_it_would_live_in_silence(
    project: str,
) -> None:
    async with opened(project) as one, opened(project) as other:
        of, lease = await begun(one)
        looks = 0
        async with asyncio.timeout(60):
            loop = asyncio.get_running_loop()
            end = loop.time() + 3 * TTL
            while loop.time() < end:
                assert await other.ready(other.worker, now=0) == []
                assert await other.claim(of.id, other.worker) is None
                looks += 1
                await asyncio.sleep(0.1)
        assert looks > 5
        assert await one.commit(Commit(lease, entry(1)))


async def test_of_many_who_take_over_again_and_again_no_two_share_an_epoch(project: str) -> None:
    """And each journal is written by one worker at a time, in the order of the epochs."""
    leases = defaultdict[tuple[str, int], list[str]](list)
    ids = [f"e{number}" for number in range(6)]
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(project, 600)) for _ in range(3)]
        for id in ids:
            await stores[0].create(queued(id), [], "")

        async def work(store: FirestoreStore, mine: list[str]) -> None:
            for id in mine:
                lease = await store.claim(id, store.worker)
                if lease is None:
                    continue
                leases[id, lease.epoch].append(store.worker)
                await store.commit(Commit(lease, entry(lease.epoch), release=True))

        for round in range(8):
            mine = ids[round % 6 :] + ids[: round % 6]
            await asyncio.gather(*(work(store, mine) for store in stores))
        assert all(len(workers) == 1 for workers in leases.values())
        for id in ids:
            epochs = sorted(epoch for of, epoch in leases if of == id)
            assert len(epochs) >= 8
            assert [e.first for e in await journal(stores[1], id)] == epochs
            assert epochs == list(range(1, len(epochs) + 1))


async def test_a_worker_that_lost_its_lease_keeps_no_checkpoint(project: str) -> None:
    """Its graph leaves one behind as it ends, wherever it is cut off."""
    config: Any = {"configurable": {"thread_id": "e", "checkpoint_ns": ""}}
    async with opened(project) as one, opened(project) as other:
        savers = [one.checkpointer(), other.checkpointer()]

        async def keep(by: int, id: str) -> None:
            await savers[by].aput(config, {**empty_checkpoint(), "id": id}, {}, {})

        await begun(one, "e")
        await keep(0, "1")
        one._workers._beating.cancel()  # type: ignore[union-attr]
        await until_ready(other, "e")
        lease = await other.claim("e", other.worker)
        assert lease is not None
        with pytest.raises(LeaseLost):
            await keep(0, "2")
        await keep(1, "3")
        with pytest.raises(LeaseLost):
            await keep(0, "4")
        await other.commit(Commit(lease, entry(1), release=True))
        await keep(1, "5")  # what was on its way when the lease was given back
        kept = [each.checkpoint["id"] async for each in savers[0].alist(config)]
    assert kept == ["5", "3", "1"]


async def test_an_entry_says_which_worker_wrote_it_and_under_which_epoch(project: str) -> None:
    async with opened(project, 600) as one, opened(project, 600) as other:
        of, lease = await begun(one, "e", entries=[entry(1)])
        await one.commit(Commit(lease, entry(2), release=True))
        await one.create(queued("f"), [entry(1)], "")
        taken = await other.claim(of.id, other.worker)
        assert taken is not None
        await other.commit(Commit(taken, entry(3)))

        async def writers(id: str) -> list[tuple[str, int]]:
            below = one._database.all("journal", id, "entries")
            found = await one._database.find(below)
            return [(each["worker"], each["epoch"]) for each in found]

        assert await writers("e") == [(one.worker, 0), (one.worker, 1), (other.worker, 2)]
        assert await writers("f") == [("", 0)]


async def test_a_commit_that_is_under_way_when_the_lease_is_taken_is_whole_or_nothing(
    project: str,
) -> None:
    async with opened(project, 600) as one:
        for number in range(15):
            id = f"e{number}"
            _, old = await begun(one, id)
            outcomes = await asyncio.gather(
                one.commit(Commit(old, entry(1), release=True)),
                one.claim(id, one.worker),
                return_exceptions=True,
            )
            written, new = outcomes
            assert not isinstance(new, BaseException)
            assert new is not None
            if written is True:
                assert await journal(one, id) == [entry(1)]
            else:
                assert isinstance(written, LeaseLost)
                assert await journal(one, id) == []
            with pytest.raises(LeaseLost):
                await one.commit(Commit(old, entry(2)))
            await one.commit(Commit(new, entry(2)))


async def test_a_dead_worker_is_forgotten_when_nothing_of_it_is_left(
    project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_LINGERS", 1.0)
    async with opened(project, 0.2) as one:
        await one.create(execution("e"), [], "gone")
        database = Database(project, "(default)")
        place = database.at("workers", "gone")
        try:
            assert (await database.get(place))[0] is not None
            assert await one.ready(one.worker, now=0) == ["e"]
            assert await one.claim("e", one.worker)
            async with asyncio.timeout(60):
                while (await database.get(place))[0] is not None:
                    await one.ready(one.worker, now=0)
                    await asyncio.sleep(0.05)
            assert await one.holder("e") == one.worker
        finally:
            await database.close()


async def test_a_commit_given_up_before_it_began_keeps_nobody_waiting(project: str) -> None:
    """Neither who made it, nor who closes the store."""
    async with asyncio.timeout(60), opened(project, 600) as one:
        _, lease = await begun(one, "e")
        committing = asyncio.ensure_future(one.commit(Commit(lease, entry(1))))
        one._drive(lease).give_up()
        with pytest.raises(LeaseLost):
            await committing
        await one.close()
