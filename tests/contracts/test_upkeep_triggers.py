"""What starts executions, as a store that is looked after keeps it: archived, and swept beside."""

from __future__ import annotations

import io
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from assay.graphs.firing import Firing, Lane, Trigger
from assay.store.archive.reading import read
from assay.store.archive.writing import write
from assay.store.blobs import FolderBlobs
from assay.store.connect import connect
from assay.store.firestore.blobs import FirestoreBlobs
from assay.store.sweeping import unreferred

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from assay.graphs.ports import Store
    from assay.store.upkeep import KeptStore

pytestmark = pytest.mark.anyio

Kept = Any


@pytest.fixture
async def elsewhere() -> AsyncIterator[KeptStore]:
    async with AsyncExitStack() as stack:
        opened = await connect("sqlite://:memory:")
        stack.push_async_callback(opened.close)
        yield cast("KeptStore", opened)


@pytest.fixture
def blobs(store: Store, tmp_path: Path) -> Kept:
    return store.blobs(tmp_path / "blobs")


async def test_what_triggers_were_fired_with_is_not_swept(
    store: Kept, blobs: Kept, monkeypatch: Any
) -> None:
    monkeypatch.setattr(FirestoreBlobs, "fresh", 0.0)
    payload, large, document, memory, lane, gone = [
        await blobs.put(f"{n}".encode() * 1000) for n in range(6)
    ]
    at = "2026-11-21T09:30:00Z"
    trigger = Trigger("t", "build", "file", {"with": {"x": document}}, memory={"seen": [memory]})
    await store.put_trigger(trigger)
    await store.put_lane(Lane("l", "t", at, {"held": [lane]}))
    await store.put_firing(Firing("f", "t", "build", at, "e", {"file": {"sha256": payload}}))
    much = {"file": large, "text": "so much that it is kept compressed " * 1000}
    await store.put_firing(Firing("g", "t", "build", at, "e2", much))
    assert await unreferred(store, blobs, time.time() + 60) == {gone}


async def test_triggers_and_firings_go_with_an_archive_of_the_whole_store(
    store: Kept, blobs: Kept, tmp_path: Path, elsewhere: KeptStore
) -> None:
    at = "2026-11-21T09:30:00Z"
    off = Trigger("t", "build", "cron", {"schedule": "@daily"}, enabled=False, next_at=5.0)
    await store.put_trigger(off)
    await store.put_lane(Lane("l", "t", at, {"held": ["e"]}))
    await store.put_lane(Lane("watch", "nobody", at, {"cursor": "of this store"}))
    for n in range(3):
        await store.put_firing(Firing(f"f{n}", "t", "build", at, f"e{n}", {"n": n}, due=float(n)))
    stream = io.BytesIO()
    await write(store, blobs, stream)
    data, others = stream.getvalue(), FolderBlobs(tmp_path / "others")
    taken = await read(elsewhere, others, io.BytesIO(data), "x")
    assert taken.others == {"trigger": 1, "lane": 1, "firing": 3}
    assert (await elsewhere.triggers()).items == [off]
    assert await elsewhere.lane("l") == await store.lane("l")
    assert await elsewhere.due_firings(9.0) == await store.due_firings(9.0)
    # Once more leaves what has gone on there meanwhile as it is.
    on = replace(off, enabled=True, revision=1)
    (first, *_) = await elsewhere.due_firings(9.0)
    claimed = replace(first, due=90.0, revision=1)
    assert await elsewhere.put_trigger(on)
    assert await elsewhere.put_firing(claimed)
    assert not (await read(elsewhere, others, io.BytesIO(data), "x")).others
    assert await elsewhere.trigger("t") == on
    assert await elsewhere.firing(first.id) == claimed
