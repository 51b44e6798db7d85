"""What was learned and is remembered goes into an archive of a whole store, and comes out of it."""

from __future__ import annotations

import io
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.stored import begun, ended

from assay.graphs.execution import Status
from assay.graphs.memory import Fact, MemoryInfo, Turn
from assay.graphs.verdicts import Case, Source, Verdict
from assay.store.archive.reading import read
from assay.store.archive.writing import write
from assay.store.blobs import FolderBlobs
from assay.store.connect import connect
from assay.store.sweeping import unused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

EARLY, LATE = "2026-11-20T00:00:00.000000Z", "2026-11-21T00:00:00.000000Z"


@pytest.fixture
async def elsewhere() -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        opened = await connect("sqlite://:memory:")
        stack.push_async_callback(opened.close)
        yield opened


def verdict(number: int, case: Case | None = None) -> Verdict:
    who = ("w", "s", "m", "p", True, Source.VERIFY, "e", "s", EARLY)
    return Verdict(f"v/{number}", *who, usd=0.5, comment="☃", case=case)


async def test_it_is_there_once_however_often_it_is_taken_in_and_newer_facts_stay(
    store: Any, elsewhere: Any, tmp_path: Path
) -> None:
    blobs, others = store.blobs(tmp_path / "blobs"), FolderBlobs(tmp_path / "others")
    said = [verdict(0), verdict(1, Case({"mail": "☃"}, "later")), verdict(2)]
    for each in said:
        await store.judge(each)
    await store.remember("w", "ann", Turn("e/1", "Hi?", "Hi.", EARLY))
    for name in ("a", "b"):
        await store.note("w", "ann", Fact(name, "old", EARLY))
    stream = io.BytesIO()
    await write(store, blobs, stream)

    await elsewhere.note("w", "ann", Fact("b", "new", LATE))
    for _ in range(2):
        taken = await read(elsewhere, others, io.BytesIO(stream.getvalue()), "x")
        await elsewhere.judge(verdict(9))  # what is said here since stays the newest

    assert taken.others["memory"] == 1
    assert list((await elsewhere.verdicts()).items) == [verdict(9), *said[::-1]]
    assert list(await elsewhere.remembered("w", "ann", limit=5)) == [
        Turn("e/1", "Hi?", "Hi.", EARLY)
    ]
    assert list(await elsewhere.facts("w", "ann")) == [
        Fact("a", "old", EARLY),
        Fact("b", "new", LATE),
    ]


async def test_an_archive_of_some_executions_tells_nothing_of_it(
    store: Any, tmp_path: Path
) -> None:
    await store.judge(verdict(0))
    await store.note("w", "ann", Fact("a", "b", EARLY))
    stream = io.BytesIO()
    of, lease = await begun(store, "e")
    await ended(store, lease, of, Status.COMPLETED)
    await write(store, store.blobs(tmp_path / "blobs"), stream, ["e"])
    assert b'"verdict"' not in stream.getvalue()
    assert b'"memory"' not in stream.getvalue()


async def test_what_nobody_has_added_to_for_long_is_unused(store: Store) -> None:
    await store.note("w", "ann", Fact("a", "b", EARLY))
    await store.note("w", "bob", Fact("a", "b", LATE))
    assert [each async for each in unused(store, LATE)] == [MemoryInfo("w", "ann", EARLY)]
    assert [each async for each in unused(store, EARLY)] == []
