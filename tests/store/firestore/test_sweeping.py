"""What the dead leave, and what waits for nobody, is looked at a few times and not for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from tests.stored import execution, parked, question

from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message
from assay.graphs.question import QuestionStatus, Wait
from assay.graphs.stored import Commit
from assay.store.firestore import workers
from assay.store.firestore.database import Database
from assay.store.firestore.store import PACE, FirestoreStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(project: str) -> AsyncIterator[Database]:
    opened = Database(project, "(default)")
    yield opened
    await opened.close()


async def document(database: Database, *place: str) -> Any:
    (found,) = await database.get(database.at(*place))
    return found


async def test_what_a_dead_worker_left_waiting_is_given_back_and_its_document_goes(
    firestore: FirestoreStore,
    database: Database,
    calls: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for id, status in (("a", Status.WAITING), ("b", Status.PAUSED), ("c", Status.COMPLETED)):
        await firestore.create(execution(id, status=status), [], "dead")
    await firestore.create(execution("d", status=Status.RUNNING), [], "dead")
    assert await firestore.ready(firestore.worker, now=0) == ["d"]
    assert await firestore.claim("d", firestore.worker)
    for id in "abc":
        assert (await document(database, "leases", id))["worker"] == ""

    assert await firestore.ready(firestore.worker, now=0) == []  # nothing is left: it is noted
    assert (await document(database, "workers", "dead"))["silent_since"]
    calls.clear()
    for _ in range(5):
        assert await firestore.ready(firestore.worker, now=0) == []
    assert calls == {"query": 15}  # it is looked at no more before a lifetime is over

    monkeypatch.setattr(workers, "_LINGERS", 0.0)
    firestore._workers._ttl = 0.1
    async with asyncio.timeout(60):
        while True:
            await firestore.ready(firestore.worker, now=0)
            if await document(database, "workers", "dead") is None:
                break
            await asyncio.sleep(0.05)
    await firestore.post(Message("a", Command.ANSWER, {}))
    assert await firestore.ready(firestore.worker, now=0) == ["a"]
    assert await firestore.claim("a", firestore.worker)


async def test_a_time_that_comes_while_an_execution_is_paused_is_looked_at_once(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    """And again after it was resumed, though its driver died before it could see to it."""
    await parked(firestore, "e", question("e", kind=Wait.SLEEP, due=100.0), status=Status.PAUSED)
    assert await firestore.ready(firestore.worker, now=200.0) == []
    calls.clear()
    assert await firestore.ready(firestore.worker, now=200.0) == []
    assert calls == {"query": 3}
    (asked,) = (await firestore.questions()).items
    assert asked.due == 100.0

    await firestore.post(Message("e", Command.RESUME))
    assert await firestore.ready(firestore.worker, now=200.0) == ["e"]
    lease = await firestore.claim("e", firestore.worker)
    assert lease is not None
    (message,) = await firestore.inbox(firestore.worker)
    waiting = execution("e", status=Status.WAITING)
    commit = Commit(lease, execution=waiting, consumed=(message.id,), release=True)
    assert await firestore.commit(commit)
    assert await firestore.ready(firestore.worker, now=200.0) == ["e"]


async def test_what_was_answered_while_it_was_put_off_is_not_due_again(
    firestore: FirestoreStore,
) -> None:
    asked = question("e", due=100.0)
    await parked(firestore, "e", asked, status=Status.PAUSED)
    assert await firestore.ready(firestore.worker, now=200.0) == []
    answered = replace(asked, status=QuestionStatus.ANSWERED, revision=asked.revision + 1)
    assert await firestore.answer(answered)
    lease = await firestore.claim("e", firestore.worker)
    assert lease is not None
    (message,) = await firestore.inbox(firestore.worker)
    waiting = execution("e", status=Status.WAITING)
    commit = Commit(lease, execution=waiting, consumed=(message.id,), release=True)
    assert await firestore.commit(commit)
    assert await firestore.ready(firestore.worker, now=200.0) == []


async def test_what_was_rung_for_a_moment_ago_is_left_to_the_bell(
    firestore: FirestoreStore,
) -> None:
    await firestore.create(execution("e", status=Status.QUEUED), [], "")
    assert await firestore.ready(firestore.worker, now=0, rung=600.0) == []
    assert await firestore.ready(firestore.worker, now=0) == ["e"]
    async with asyncio.timeout(60):
        while True:
            if await firestore.ready(firestore.worker, now=0, rung=0.2) == ["e"]:
                break
            await firestore._workers._beat()  # the server's time is known from then
            await asyncio.sleep(0.05)


async def test_many_workers_together_sweep_no_more_often_than_a_few(
    project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_CREW", 2)
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(6):
            store = await FirestoreStore.open(project, ttl=600)
            stack.push_async_callback(store.close)
            stores.append(store)
        assert all(store.pace == PACE for store in stores)
        for store in stores[:5]:
            await store.ready(store.worker, now=0)
            await store._workers._beat()  # others know now that it sweeps
        assert stores[0].pace == PACE  # who came first saw nobody else
        one = stores[5]
        await one.ready(one.worker, now=0)
        assert one.pace.sweep == PACE.sweep * 5 / 2


async def test_who_has_seen_a_silent_worker_looks_again_soon(
    project: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rarely it sweeps: a takeover takes two looks of one worker."""
    monkeypatch.setattr(workers, "_CREW", 0.01)
    one = await FirestoreStore.open(project, ttl=8.0)
    try:
        await one.ready(one.worker, now=0)
        assert one.pace.sweep == 60.0
        batch = database.batch()
        batch.create(database.at("workers", "silent"), {"beat": workers._LONG_AGO})
        await database.commit(batch, "A worker")
        await one.ready(one.worker, now=0)
        assert one.pace.sweep == 2.0
    finally:
        await one.close()


async def test_a_dead_worker_that_was_looked_at_is_looked_at_again_when_it_gets_something(
    firestore: FirestoreStore,
) -> None:
    await firestore.create(execution("e", status=Status.RUNNING), [], "dead")
    assert await firestore.claim("e", "another")
    for _ in range(3):
        assert await firestore.ready(firestore.worker, now=0) == ["e"]
    assert await firestore.claim("e", "dead")
    assert await firestore.ready(firestore.worker, now=0) == ["e"]
