"""Executions whose beginning is too large for one commit, begun by two at once, or cut off."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import execution, journal

from assay.graphs.errors import ExecutionNotFound, StoreError
from assay.graphs.lease import Lease
from assay.graphs.stored import Entry
from assay.store.firestore.database import Database
from assay.store.firestore.store import FirestoreStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(project: str) -> AsyncIterator[FirestoreStore]:
    store = await FirestoreStore.open(project, ttl=600)
    yield store
    await store.close()


def large(count: int = 8, size: int = 700_000) -> list[Entry]:
    """More than one commit holds, of what cannot be compressed, and never the same twice."""
    return [Entry(n, n, secrets.token_bytes(size)) for n in range(1, count + 1)]


class Cut(Exception):
    """The process ended here."""


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ends whoever makes that commit, before it is made."""
    commit = Database.commit

    def at(number: int) -> None:
        made = 0

        async def counted(self: Database, batch: Any, what: str) -> Any:
            nonlocal made
            made += 1
            if made == number:
                monkeypatch.setattr(Database, "commit", commit)
                raise Cut
            return await commit(self, batch, what)

        monkeypatch.setattr(Database, "commit", counted)

    return at


async def begin(store: FirestoreStore, id: str, entries: list[Entry]) -> Lease | StoreError:
    try:
        lease = await store.create(execution(id), entries, store.worker)
    except StoreError as error:
        return error
    assert lease is not None
    return lease


@pytest.mark.parametrize("sizes", [(8, 8), (8, 1), (1, 8)])
@pytest.mark.parametrize("turn", range(3))
async def test_of_two_at_once_one_begins_with_what_it_was_given(
    firestore: FirestoreStore, other: FirestoreStore, sizes: tuple[int, int], turn: int
) -> None:
    given = [large(count) for count in sizes]
    begun = await asyncio.gather(
        *(begin(s, "e", g) for s, g in zip((firestore, other), given, strict=True))
    )
    won = [n for n, came in enumerate(begun) if isinstance(came, Lease)]
    assert len(won) == 1
    assert await journal(firestore, "e") == given[won[0]]


async def test_whoever_is_overtaken_writes_nothing_more(
    firestore: FirestoreStore, other: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other begins whole while the first stands still with half of its entries written."""
    commit, held, go = Database.commit, asyncio.Event(), asyncio.Event()
    made = 0

    async def slow(self: Database, batch: Any, what: str) -> Any:
        nonlocal made
        if self is firestore._database:
            made += 1
            if made == 3:
                held.set()
                await go.wait()
        return await commit(self, batch, what)

    monkeypatch.setattr(Database, "commit", slow)
    first = asyncio.create_task(begin(firestore, "e", large()))
    await held.wait()
    given = large()
    assert isinstance(await begin(other, "e", given), Lease)
    go.set()
    assert isinstance(await first, StoreError)
    assert await journal(other, "e") == given


@pytest.mark.parametrize("number", range(1, 4))
@pytest.mark.parametrize("then", [8, 1])
async def test_what_was_cut_off_is_not_there_and_is_begun_anew(
    firestore: FirestoreStore, cut_at: Any, number: int, then: int
) -> None:
    cut_at(number)
    with pytest.raises(Cut):
        await firestore.create(execution("e"), large(), firestore.worker)
    with pytest.raises(ExecutionNotFound):
        await firestore.execution("e")
    given = large(then, 1000)
    assert isinstance(await begin(firestore, "e", given), Lease)
    assert await journal(firestore, "e") == given
