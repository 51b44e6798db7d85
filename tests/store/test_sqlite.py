"""What the SQLite store does beside its port: locking, trouble with disks, damage, migrations."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import sys
import threading
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from tests import query_plans
from tests.stored import begun, entry, execution, journal, parked, question

from assay.graphs.errors import InvalidInput, StateCorrupted, StoreError, StoreUnavailable
from assay.graphs.execution import Status, StepResult
from assay.graphs.lease import Command, Message, SlotRequest
from assay.graphs.question import Signal
from assay.graphs.stored import ArtifactInfo, Commit, Entry
from assay.store.sqlite import database as databases
from assay.store.sqlite.database import Database
from assay.store.sqlite.reader import Reader
from assay.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from langchain_core.runnables import RunnableConfig

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(file)
    try:
        yield store
    finally:
        await store.close()


def step(number: int) -> StepResult:
    return StepResult(f"s{number}", "s", "set", Status.COMPLETED, seq=number)


def damage(store_folder: Path, sql: str) -> None:
    """What another program may have done to the file."""
    with closing(sqlite3.connect(store_folder / "store.db", isolation_level=None)) as other:
        assert other.execute(sql).rowcount > 0


# Writing


async def test_a_lock_that_another_process_keeps_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on meanwhile, and writing as soon as the lock is free."""
    monkeypatch.setattr(databases, "PATIENCE", 0.05)
    store = await SqliteStore.open(tmp_path / "store.db")
    of, lease = await begun(store, "e")
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(
            *(store.commit(Commit(lease, entry(n))) for n in (1, 2)), return_exceptions=True
        )
        for outcome in outcomes:
            assert isinstance(outcome, StoreUnavailable)
            assert "execution e could not be kept" in outcome.message
            assert "locked by another process" in outcome.message
        assert await store.execution("e") == of
        other.execute("ROLLBACK")
    await store.commit(Commit(lease, entry(1)))
    await store.close()


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """A disk on which no file can grow any more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_cannot_be_written_to_is_reported_and_waited_for(
    store: SqliteStore, tmp_path: Path
) -> None:
    of, lease = await begun(store, "e", entries=[entry(1)])
    with no_file_over((tmp_path / "store.db-wal").stat().st_size):
        for commit in (Commit(lease, entry(2)), Commit(lease, questions=[question("e")])):
            with pytest.raises(StoreUnavailable, match=r"execution e could not be kept.*disk"):
                await store.commit(commit)
        assert await store.execution("e") == of
    assert await journal(store, "e") == [entry(1)]
    assert (await store.questions()).items == []
    await store.commit(Commit(lease, entry(2)))
    assert await journal(store, "e") == [entry(1), entry(2)]


async def test_of_a_group_that_does_not_fit_the_rest_is_written(store: SqliteStore) -> None:
    made = [await begun(store) for _ in range(8)]
    (pages,) = await store._writer.run(lambda c: c.execute("PRAGMA page_count").fetchone())
    await store._writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 10}").fetchone())
    sizes = [10, 10, 100_000, 10, 10, 100_000, 10, 10]
    outcomes = await asyncio.gather(
        *(
            store.commit(Commit(lease, Entry(1, 1, b"x" * size)))
            for (_, lease), size in zip(made, sizes, strict=True)
        ),
        return_exceptions=True,
    )
    for (of, _), outcome, size in zip(made, outcomes, sizes, strict=True):
        assert isinstance(outcome, StoreUnavailable) == (size > 10)
        assert len(await journal(store, of.id)) == (size == 10)


async def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    with closing(database.create()) as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


async def test_a_commit_writes_few_pages(store: SqliteStore, tmp_path: Path) -> None:
    """A thousand small entries of a thousand executions do not touch a thousand pages."""
    made = await asyncio.gather(*(begun(store) for _ in range(1000)))
    for number in range(1, 6):
        await asyncio.gather(*(store.commit(Commit(lease, entry(number))) for _, lease in made))
    with closing(sqlite3.connect(tmp_path / "store.db")) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    await asyncio.gather(*(store.commit(Commit(lease, entry(6))) for _, lease in made))
    assert 0 < (tmp_path / "store.db-wal").stat().st_size < 200 * 4096


# Deleting


async def test_a_deleted_execution_leaves_one_empty_row_behind(
    store: SqliteStore, tmp_path: Path
) -> None:
    """However many are deleted: it keeps the place of the newest entry there ever was."""

    def rows() -> dict[str, int]:
        with closing(sqlite3.connect(tmp_path / "store.db")) as other:
            tables = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {
                name: other.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for (name,) in tables
                if name != "sqlite_sequence"
            }

    before = rows()
    of, lease = await begun(store, "e", entries=[entry(1)], slot=SlotRequest("k"))
    artifact = ArtifactInfo("e", "a", "log", "log.txt", "0" * 64, 12, "")
    await store.commit(Commit(lease, entry(2), questions=[question("e")], artifacts=[artifact]))
    await store.post(Message("e", Command.PAUSE))
    config: RunnableConfig = {"configurable": {"thread_id": "e", "checkpoint_ns": ""}}
    await store.checkpointer().aput(config, empty_checkpoint(), {}, {})
    assert rows() != before
    await store.commit(Commit(lease, execution=replace(of, status=Status.FAILED)))
    await store.delete_execution("e")
    assert rows() == {**before, "journal": 1}
    of, lease = await begun(store, "next", entries=[entry(1)])
    await store.commit(Commit(lease, execution=replace(of, status=Status.FAILED)))
    await store.delete_execution("next")
    assert rows() == {**before, "journal": 1}


# Checkpoints


async def test_checkpoints_lie_in_the_same_file_until_the_execution_is_deleted(
    store: SqliteStore,
) -> None:
    for id in ("e", "other"):
        of, lease = await begun(store, id)
        config: RunnableConfig = {"configurable": {"thread_id": id, "checkpoint_ns": ""}}
        await store.checkpointer().aput(config, empty_checkpoint(), {}, {})
        await store.commit(Commit(lease, execution=replace(of, status=Status.FAILED)))
    await store.delete_execution("e")
    saver = store.checkpointer()
    assert await saver.aget_tuple({"configurable": {"thread_id": "e"}}) is None
    assert await saver.aget_tuple({"configurable": {"thread_id": "other"}}) is not None


async def test_opening_a_store_loads_no_langgraph(tmp_path: Path) -> None:
    """It takes half a second, and a listing does not need it."""
    script = (
        "import asyncio, sys; from assay.store.connect import connect;"
        f"asyncio.run(connect('sqlite:///{tmp_path}/store.db'));"
        "print([name for name in sys.modules if name.startswith('lang')])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"[]\n")


# Reading


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    database.create().close()
    reader = Reader(database)
    with pytest.raises(StoreError):
        await reader.run(lambda c: c.execute("DELETE FROM executions"))
    await reader.close()


async def test_a_read_sees_one_moment_of_the_database(store: SqliteStore, tmp_path: Path) -> None:
    committed = threading.Event()
    begins = asyncio.Event()
    loop = asyncio.get_running_loop()
    _, lease = await begun(store)

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        counts = [connection.execute("SELECT count(*) FROM journal").fetchone()[0]]
        loop.call_soon_threadsafe(begins.set)
        committed.wait(60)
        return [*counts, connection.execute("SELECT count(*) FROM journal").fetchone()[0]]

    reader = Reader(Database(tmp_path / "store.db"))
    reading = asyncio.ensure_future(reader.run(count_twice))
    await begins.wait()
    await store.commit(Commit(lease, entry(1)))
    committed.set()
    assert await reading == [0, 0]
    await reader.close()


async def test_text_that_is_no_unicode_is_refused(store: SqliteStore) -> None:
    for asked in (
        store.execution("\ud800"),
        store.cached("\ud800"),
        store.workflow("\ud800"),
        store.cache("\ud800", step(1), ttl=None),
        store.claim("\ud800", store.worker),
        store.slots("\ud800"),
        store.inbox("\ud800"),
        store.signals("\ud800", None, since=0),
    ):
        with pytest.raises(InvalidInput, match="Unicode"):
            await asked


async def test_a_number_over_64_bits_is_refused(store: SqliteStore) -> None:
    with pytest.raises(InvalidInput, match="64 bits"):
        await store.entries("e", after=2**70)
    huge = SlotRequest("k", 2**70)
    with pytest.raises(StoreError, match="e cannot be kept"):
        await store.create(execution("e", slot=huge), [], "")


# Damage


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE executions SET changing = substr(changing, 1, 10)", "Execution e is damaged"),
        ("UPDATE executions SET given = '{}'", "Execution e is damaged"),
        ("UPDATE executions SET changing = replace(changing, 'waiting', 'x')", "Execution e"),
        ("UPDATE questions SET document = '[' || document", r"Question q\w+ is damaged"),
        ("UPDATE questions SET document = '[]'", r"Question q\w+ is damaged"),
        ("UPDATE inbox SET data = 'x'", "Message 1 of execution e is damaged"),
        ("UPDATE cache SET document = '{}'", "Cache entry k is damaged"),
    ],
)
async def test_a_damaged_row_is_reported_by_name(
    store: SqliteStore, tmp_path: Path, sql: str, named: str
) -> None:
    await parked(store, "e", question("e"))
    await store.cache("k", step(1), ttl=None)
    await store.claim("e", store.worker)
    await store.post(Message("e", Command.PAUSE))
    damage(tmp_path, sql)

    async def read_all() -> None:
        await store.execution("e")
        await store.questions(status=None)
        await store.inbox(store.worker)
        await store.cached("k")

    with pytest.raises(StateCorrupted, match=named):
        await read_all()


async def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = await SqliteStore.open(file)
    await begun(store)
    await store.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    async def read() -> None:
        async with opened(file) as damaged:
            await damaged.executions()

    with pytest.raises(StateCorrupted, match=r"store\.db is damaged"):
        await read()


# Migrations


@pytest.fixture
def one_more_migration(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    known = databases._migrations()
    return lambda script: monkeypatch.setattr(databases, "_migrations", lambda: [*known, script])


async def test_an_older_database_is_brought_up_to_date_with_its_content(
    store: SqliteStore, tmp_path: Path, one_more_migration: Callable[[str], None]
) -> None:
    of, _ = await begun(store, "e")
    await store.close()
    one_more_migration("CREATE TABLE more (x); -- a comment;\nINSERT INTO more VALUES (';\n');")
    for _ in range(2):
        newer = await SqliteStore.open(tmp_path / "store.db")
        assert await newer.execution("e") == of
        await newer.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("SELECT x FROM more").fetchall() == [(";\n",)]


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    store: SqliteStore, tmp_path: Path, one_more_migration: Callable[[str], None]
) -> None:
    await store.close()
    known = len(databases._migrations())
    one_more_migration("CREATE TABLE more (x);\nINSERT INTO absent VALUES (1);\n")
    with pytest.raises(StoreError, match="absent"):
        await SqliteStore.open(tmp_path / "store.db")
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (known,)
        assert (
            connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall() == []
        )


async def test_an_sqlite_that_is_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreError, match=r"needs SQLite 3\.37\.0"):
        await SqliteStore.open(tmp_path / "store.db")


async def test_a_query_that_reads_a_growing_table_whole_is_noticed(tmp_path: Path) -> None:
    """The contract suites run under this watch: it must be able to bark."""
    async with opened(tmp_path / "store.db"):
        pass

    async def nosy() -> None:
        with query_plans.watched():
            reader = Reader(Database(tmp_path / "store.db"))
            await reader.run(lambda c: c.execute("SELECT * FROM journal").fetchall())
            await reader.close()

    with pytest.raises(query_plans.ReadWhole, match="SCAN journal"):
        await nosy()


async def test_an_event_kept_before_events_had_a_source_reads(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.send(Signal("s1", "done", None, 1, 1.0, "emitter"))
    damage(tmp_path, "UPDATE signals SET document = json_remove(document, '$.source')")
    assert await store.signals("done", None, since=0) == [Signal("s1", "done", None, 1, 1.0)]
