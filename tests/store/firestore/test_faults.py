"""What a check finds between documents, and blobs that are swept and put at the same time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import parked, question

from assay.store.checking import check
from assay.store.firestore.blobs import FirestoreBlobs
from assay.store.firestore.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from assay.store.firestore.store import FirestoreStore

pytestmark = pytest.mark.anyio

FAR = 10**12
"""A time that is not soon."""


async def test_documents_of_no_execution_are_found(
    firestore: FirestoreStore, tmp_path: Path
) -> None:
    await parked(firestore, "a/b", question("a/b"), digest="d")
    await parked(firestore, "whole", digest="d")
    database = firestore._database
    name = "a%2Fb"
    await database.clear([database.at("executions", name), database.at("leases", "whole")])
    blobs = firestore.blobs(tmp_path)
    found = [f.of async for f in check(firestore, blobs, deep=False) if "definition" not in f.wrong]
    assert found == [f"leases/{name}", f"questions/{question('a/b').id}", "executions/whole"]


async def test_a_blob_that_is_put_while_it_is_removed_stays(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(FirestoreBlobs, "fresh", 0.0)
    blobs: Any = firestore.blobs(tmp_path)
    data = os.urandom(1_000_000)
    sha256 = await blobs.put(data)
    commit = Database.commit

    async def put_before(self: Database, batch: Any, what: str) -> Any:
        if what.startswith("Removing"):
            monkeypatch.setattr(Database, "commit", commit)
            await blobs.put(data)
        return await commit(self, batch, what)

    monkeypatch.setattr(Database, "commit", put_before)
    assert not await blobs.remove(sha256, FAR)
    assert await blobs.get(sha256) == data


async def test_a_blob_that_is_put_anew_while_its_pieces_are_removed_is_whole(
    firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blobs: Any = firestore.blobs(tmp_path)
    data = os.urandom(2_000_000)
    sha256 = await blobs.put(data)
    clear = Database.clear

    async def put_before(self: Database, places: Any) -> None:
        monkeypatch.setattr(Database, "clear", clear)
        await blobs.put(data)
        await clear(self, places)

    monkeypatch.setattr(Database, "clear", put_before)
    assert await blobs.remove(sha256, FAR)
    assert await blobs.get(sha256) == data


async def test_blobs_of_an_earlier_layout_are_read_and_removed(
    firestore: FirestoreStore, tmp_path: Path
) -> None:
    import hashlib

    database, data = firestore._database, b"as it was"
    sha256 = hashlib.sha256(data).hexdigest()
    batch = database.batch()
    batch.put(database.at("blobs", sha256, "chunks", "000000"), {"data": data})
    batch.put(database.at("blobs", sha256), {"chunks": 1})
    await database.commit(batch, "As it was")
    blobs: Any = firestore.blobs(tmp_path)
    assert await blobs.get(sha256) == data
    assert await blobs.remove(sha256, FAR)
    assert await database.get(database.at("blobs", sha256, "chunks", "000000")) == [None]
