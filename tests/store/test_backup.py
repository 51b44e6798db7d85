"""A backup is one moment of everything, in a new file, while work goes on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, entry, journal, question

from assay.graphs.errors import InvalidInput, StoreError
from assay.graphs.stored import Commit
from assay.store.connect import connect
from assay.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from assay.graphs.lease import Lease

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["file", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "store.db" if request.param == "file" else None
    opened = await SqliteStore.open(path)
    yield opened
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.close()


async def test_a_backup_opens_as_a_store_with_everything(store: SqliteStore, folder: Path) -> None:
    of, lease = await begun(store, entries=[entry(1)])
    await store.commit(Commit(lease, questions=[question(of.id)]))
    await store.backup(folder / "copy.db")
    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    await store.commit(Commit(lease, entry(2)))
    async with opened(folder / "copy.db") as copy:
        assert await copy.execution(of.id) == of
        assert await journal(copy, of.id) == [entry(1)]
        assert len((await copy.questions()).items) == 1
        # Whoever drives the execution drives it in the other file, not in the copy.
        assert await copy.claim(of.id, copy.worker)
        with pytest.raises(StoreError):
            await copy.commit(Commit(lease, entry(2)))
    assert await store.commit(Commit(lease, entry(3)))


async def test_it_is_one_moment_while_writers_go_on(store: SqliteStore, folder: Path) -> None:
    """Each commit holds an entry and a question: a copy has both or neither."""
    made = [await begun(store, f"e{number}") for number in range(5)]
    written = asyncio.Event()
    going = True

    async def write(lease: Lease) -> None:
        number = 0
        while going:
            number += 1
            asked = question(lease.execution_id, f"p{number}")
            await store.commit(Commit(lease, entry(number), questions=[asked]))
            if number == 20:
                written.set()

    writers = [asyncio.ensure_future(write(lease)) for _, lease in made]
    await written.wait()
    await store.backup(folder / "copy.db")
    going = False
    await asyncio.gather(*writers)
    async with opened(folder / "copy.db") as copy:
        for of, _ in made:
            entries = await journal(copy, of.id)
            asked = (await copy.questions(execution_id=of.id, limit=10_000)).items
            assert [e.first for e in entries] == list(range(1, len(entries) + 1))
            assert [q.path for q in asked] == [f"p{e.first}" for e in entries]


async def test_what_is_acknowledged_is_in_a_backup_that_begins_later(
    store: SqliteStore, folder: Path
) -> None:
    of, lease = await begun(store)
    for number in range(1, 6):
        await store.commit(Commit(lease, entry(number)))
        await store.backup(folder / f"{number}.db")
    for number in range(1, 6):
        async with opened(folder / f"{number}.db") as copy:
            assert len(await journal(copy, of.id)) == number


async def test_a_file_that_exists_is_never_replaced(store: SqliteStore, folder: Path) -> None:
    (folder / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match=r"copy\.db exists already"):
        await store.backup(folder / "copy.db")
    assert (folder / "copy.db").read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["copy.db"]


async def test_a_folder_that_is_not_there_is_named(store: SqliteStore, folder: Path) -> None:
    with pytest.raises(StoreError, match=r"copy\.db cannot be written"):
        await store.backup(folder / "absent" / "copy.db")


async def test_a_backup_is_connected_to_by_url(store: SqliteStore, folder: Path) -> None:
    await store.backup(folder / "copy.db")
    await (await connect(f"sqlite:///{folder}/copy.db")).close()


async def test_a_cursor_of_the_log_that_a_backup_does_not_reach_is_refused(tmp_path: Path) -> None:
    """Who goes on from there would pass over all that comes until then."""
    copy = tmp_path / "copy.db"
    async with opened(tmp_path / "assay.db") as store:
        _, lease = await begun(store, entries=[entry(1)])
        early = await store.log_end()
        await store.backup(copy)
        await store.commit(Commit(lease, entry(2)))
        late = await store.log_end()
        assert await store.log(after=late) == []

    async with opened(copy) as restored:
        assert await restored.log(after=early) == []
        with pytest.raises(InvalidInput, match="restored from a backup"):
            await restored.log(after=late)
