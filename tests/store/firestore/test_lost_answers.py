"""What was written may be written without its writer hearing of it: it counts once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.emulators import Emulators
from tests.store.firestore.wire import Wire, wire
from tests.stored import begun, entry, execution, journal, parked, question

from assay.graphs.errors import StoreError, StoreUnavailable
from assay.graphs.execution import Status
from assay.graphs.firing import Firing, Lane, Trigger
from assay.graphs.lease import SlotRequest
from assay.graphs.question import Answer, Signal, Wait
from assay.graphs.stored import ArtifactInfo, Commit
from assay.store.firestore import database
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def line(emulated: Emulators, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    monkeypatch.setattr(database, "DEADLINE", 1.0)
    async with wire(emulated.firestore) as made:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", made.host)
        yield made


@pytest.fixture
async def store(line: Wire) -> AsyncIterator[FirestoreStore]:
    opened = await FirestoreStore.open(f"test-{secrets.token_hex(8)}", ttl=600)
    yield opened
    await opened.close()


async def unheard(line: Wire, doing: Callable[[], Awaitable[Any]]) -> Any:
    """What comes of it when its first commit is written, and the answer to that is lost."""

    def deafen(call: str, of: Any) -> None:
        if call == "commit" and not line.lost.is_set():
            line.deaf = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.Database, "watcher", deafen)
        done = asyncio.ensure_future(doing())
        async with asyncio.timeout(60):
            await line.lost.wait()
            line.hang_up()
            line.deaf = False
            return await done


async def test_a_commit_whose_answer_was_lost_is_written_once(
    line: Wire, store: FirestoreStore
) -> None:
    of, lease = await begun(store, "e")
    file = ArtifactInfo("e", "a", "log", "log.txt", "0" * 64, 12, "")
    asked = question("e")
    waiting = replace(of, status=Status.WAITING)
    assert await unheard(
        line,
        lambda: store.commit(
            Commit(lease, entry(1), waiting, [asked], artifacts=[file], release=True)
        ),
    )
    assert await journal(store, "e") == [entry(1)]
    assert (await store.artifacts()).items == [file]
    assert [q.id for q in (await store.questions()).items] == [asked.id]
    assert await store.execution("e") == waiting
    assert await store.holder("e") is None


async def test_commits_go_on_after_one_whose_answer_was_lost(
    line: Wire, store: FirestoreStore
) -> None:
    _, lease = await begun(store, "e")
    two = [Commit(lease, entry(1)), Commit(lease, entry(2))]
    both = await unheard(line, lambda: asyncio.gather(*map(store.commit, two)))
    assert both == [True, True]
    await store.commit(Commit(lease, entry(3)))
    assert await journal(store, "e") == [entry(1), entry(2), entry(3)]
    with pytest.raises(StoreError, match="has that place"):
        await store.commit(Commit(lease, entry(3)))


async def test_an_execution_whose_beginning_was_not_heard_of_has_begun(
    line: Wire, store: FirestoreStore
) -> None:
    new = execution("e", slot=SlotRequest("k"))
    lease = await unheard(line, lambda: store.create(new, [entry(1)], store.worker))
    assert lease is not None
    assert await store.commit(Commit(lease, entry(2)))
    assert await journal(store, "e") == [entry(1), entry(2)]
    assert [(s.execution_id, s.held) for s in await store.slots("k")] == [("e", True)]
    with pytest.raises(StoreError, match="exists already"):
        await store.create(new, [], store.worker)


async def test_a_lease_whose_taking_was_not_heard_of_is_taken(
    line: Wire, store: FirestoreStore
) -> None:
    await parked(store, "e")
    lease = await unheard(line, lambda: store.claim("e", store.worker))
    assert lease is not None
    assert await store.commit(Commit(lease, entry(1)))


async def test_an_answer_that_was_taken_is_not_refused(line: Wire, store: FirestoreStore) -> None:
    asked = question("e")
    await parked(store, "e", asked)
    given = replace(asked.answered(Answer("yes", "ann")), revision=1)
    assert await unheard(line, lambda: store.answer(given))
    lease = await store.claim("e", store.worker)
    assert lease is not None
    assert len(await store.inbox(store.worker)) == 1
    assert not await store.answer(given)


async def test_an_event_is_told_although_its_sender_heard_nothing(
    line: Wire, store: FirestoreStore
) -> None:
    waits = question("e", kind=Wait.EVENT, event="done")
    await parked(store, "e", waits)
    signal = Signal("s", "done", None, 1, 1.0)
    assert await unheard(line, lambda: store.send(signal)) == ["e"]
    assert await store.signals("done", None, since=0) == [signal]
    assert await store.claim("e", store.worker)
    assert len(await store.inbox(store.worker)) == 1


async def test_what_was_put_first_was_put_although_its_writer_heard_nothing(
    line: Wire, store: FirestoreStore
) -> None:
    async def put_all(revision: int) -> list[bool]:
        return [
            await store.put_firing(Firing("f", "t", "w", "at", "e", revision=revision)),
            await store.put_trigger(Trigger("t", "w", "cron", revision=revision)),
            await store.put_lane(Lane("l", "t", "at", revision=revision)),
        ]

    assert await unheard(line, lambda: put_all(0)) == [True, True, True]
    assert await put_all(0) == [False, False, False]
    line.lost.clear()
    assert await unheard(line, lambda: put_all(1)) == [True, True, True]
    assert await put_all(1) == [False, False, False]
    assert await put_all(2) == [True, True, True]


async def test_a_store_that_cannot_be_reached_says_so_and_is_used_again_later(
    line: Wire, store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine commits the same once more: it is written once, and the row counts."""
    of, lease = await begun(store, "e")
    monkeypatch.setattr(store._database, "_patience", 0.5)
    commit = Commit(lease, entry(1), replace(of, current_step="a"))
    line.deaf = True
    writing = asyncio.ensure_future(store.commit(commit))
    await line.lost.wait()
    line.cut = True
    line.hang_up()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await writing
    with pytest.raises(StoreUnavailable):
        await store.execution("e")
    line.deaf = line.cut = False
    monkeypatch.setattr(store._database, "_patience", 15.0)
    assert await store.commit(commit)
    assert await store.commit(Commit(lease, entry(2)))
    assert await journal(store, "e") == [entry(1), entry(2)]
    assert (await store.execution("e")).current_step == "a"


async def test_opening_what_cannot_be_reached_says_what_to_do(
    line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.5)
    line.cut = True
    with pytest.raises(StoreUnavailable, match=r"firestore://nobody/\(default\) does not answer"):
        await FirestoreStore.open("nobody")
