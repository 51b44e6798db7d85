"""What is too large for one document or one commit of Firestore."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest
from tests.stored import begun, entry, execution, journal, parked, question, queued

from assay.graphs.errors import ConcurrencyLimit, StoreError
from assay.graphs.execution import Status
from assay.graphs.lease import SlotRequest
from assay.graphs.stored import Commit, Entry
from assay.store.firestore import names
from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio


async def test_an_entry_of_several_documents_comes_back_whole_and_is_deleted_whole(
    firestore: FirestoreStore,
) -> None:
    """Random bytes, which no compression makes smaller."""
    of, lease = await begun(firestore, "e")
    entries = [Entry(n, n, os.urandom(size)) for n, size in enumerate((10, 2_500_000, 7_999), 1)]
    for each in entries:
        await firestore.commit(Commit(lease, each))
    assert await journal(firestore, "e") == entries
    done = replace(of, status=Status.COMPLETED)
    await firestore.commit(Commit(lease, execution=done, release=True))
    await firestore.delete_execution("e")
    for collection in (names.ENTRIES, names.PARTS):
        below = firestore._database.all(names.JOURNAL, "e", collection)
        assert await firestore._database.find(below.select([])) == []


async def test_what_is_repetitive_takes_little_room(
    firestore: FirestoreStore, calls: Counter[str]
) -> None:
    _, lease = await begun(firestore, "e")
    calls.clear()
    await firestore.commit(Commit(lease, entry(1, data=b'{"a":1},' * 500_000)))
    assert calls == {"commit": 1}
    assert len((await journal(firestore, "e"))[0].data) == 4_000_000


async def test_an_execution_may_begin_with_a_long_journal(firestore: FirestoreStore) -> None:
    """As a fork of another does."""
    entries = [Entry(n, n, os.urandom(200_000)) for n in range(1, 41)]
    entries += [entry(n) for n in range(41, 1001)]
    lease = await firestore.create(execution("e"), entries, firestore.worker)
    assert lease is not None
    await firestore.commit(Commit(lease, entry(1001)))
    assert await journal(firestore, "e") == [*entries, entry(1001)]
    with pytest.raises(StoreError, match="exists already"):
        await firestore.create(execution("e"), entries, firestore.worker)
    only = SlotRequest("k", 0, "reject")
    with pytest.raises(ConcurrencyLimit):
        await firestore.create(queued("f", only), entries, firestore.worker)
    assert await journal(firestore, "f") == []


async def test_a_thousand_branches_may_wait_at_once(firestore: FirestoreStore) -> None:
    asked = [question("e", f"each[{n}].ask", message="m" * 5000) for n in range(1000)]
    await parked(firestore, "e", *asked)
    page = await firestore.questions(execution_id="e", limit=2000)
    assert [q.path for q in page.items] == [q.path for q in asked]
    lease = await firestore.claim("e", firestore.worker)
    assert lease is not None
    withdrawn = [replace(q.withdrawn(), revision=1) for q in asked]
    assert await firestore.commit(Commit(lease, entry(1), questions=withdrawn, release=True))
    assert (await firestore.questions(execution_id="e")).items == []


async def test_what_does_not_fit_into_a_document_is_refused_by_name(
    firestore: FirestoreStore,
) -> None:
    of, lease = await begun(firestore, "e")
    noise = os.urandom(1_000_000).hex()
    with pytest.raises(StoreError, match=r"Execution e is too large for Firestore: 2,000,\d\d\d"):
        await firestore.commit(Commit(lease, execution=replace(of, outputs={"x": noise})))
    assert await firestore.commit(Commit(lease, entry(1), release=True))
