"""What the SQLite store does beside its port: grouping, locking, damage, migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import InvalidInput, StoreError
from assay.graphs.execution import Execution, Status, StepResult
from assay.graphs.ports import Commit
from assay.store.sqlite import database as databases
from assay.store.sqlite.database import Database
from assay.store.sqlite.reader import Reader
from assay.store.sqlite.store import SqliteStore
from assay.store.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

ROW = Execution("e", "build", "1", "d1", Status.RUNNING)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    await opened.commit(Commit("e", execution=ROW))
    yield opened
    await opened.close()


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    database = Database(tmp_path / "plain.db")
    writer = Writer(database, database.create())
    await writer.run(lambda c: c.execute("CREATE TABLE t (x INTEGER UNIQUE)"))
    yield writer
    await writer.close()


def insert(value: Any) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (value,)).rowcount


def values(connection: sqlite3.Connection) -> list[Any]:
    return [row[0] for row in connection.execute("SELECT x FROM t ORDER BY x")]


async def together(
    writer: Writer, *works: Callable[[sqlite3.Connection], Any]
) -> list[Any | BaseException]:
    """What becomes of works that are all waiting when the writer gets to them."""
    go_on = threading.Event()
    holding = asyncio.ensure_future(writer.run(lambda _: go_on.wait(10)))
    waiting = [asyncio.ensure_future(writer.run(work)) for work in works]
    await asyncio.sleep(0)  # all have begun
    go_on.set()
    await holding
    return await asyncio.gather(*waiting, return_exceptions=True)


# Writing


async def test_works_that_wait_share_a_transaction(writer: Writer) -> None:
    statements: list[str] = []
    await writer.run(lambda c: c.set_trace_callback(statements.append))
    statements.clear()
    assert await together(writer, *map(insert, range(50))) == [1] * 50
    # The one that held the writer up may or may not have had a transaction of its own.
    assert statements.count("COMMIT") in (1, 2)


async def test_a_work_that_fails_does_not_fail_its_neighbours(writer: Writer) -> None:
    await writer.run(insert(7))

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1000)")
        raise ZeroDivisionError

    works = [*map(insert, range(20)), broken, *map(insert, range(100, 110))]
    outcomes = await together(writer, *works)
    assert isinstance(outcomes[7], StoreError)
    assert isinstance(outcomes[20], ZeroDivisionError)
    assert [o for n, o in enumerate(outcomes) if n not in (7, 20)] == [1] * 29
    assert await writer.run(values) == [*range(20), *range(100, 110)]


async def test_when_the_disk_is_full_what_still_fits_is_written(writer: Writer) -> None:
    (pages,) = await writer.run(lambda c: c.execute("PRAGMA page_count").fetchone())
    await writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    outcomes = await together(writer, insert(1), insert("x" * 100_000), insert(2))
    assert (outcomes[0], outcomes[2]) == (1, 1)
    with pytest.raises(StoreError, match="disk is full"):
        raise outcomes[1]
    assert await writer.run(values) == [1, 2]


async def test_a_caller_that_was_cancelled_does_not_disturb_the_others(writer: Writer) -> None:
    go_on = threading.Event()
    holding = asyncio.ensure_future(writer.run(lambda _: go_on.wait(10)))
    first, second = (asyncio.ensure_future(writer.run(insert(n))) for n in range(2))
    await asyncio.sleep(0)  # all have begun
    first.cancel()
    go_on.set()
    assert await second == 1
    assert first.cancelled()
    assert await holding


async def test_a_writer_serves_one_event_loop_after_the_other(tmp_path: Path) -> None:
    def in_a_loop_of_its_own() -> None:
        database = Database(tmp_path / "loops.db")
        writer = Writer(database, database.create())
        asyncio.run(writer.run(lambda c: c.execute("CREATE TABLE t (x)")))
        assert asyncio.run(writer.run(insert(1))) == 1
        asyncio.run(writer.close())

    await asyncio.to_thread(in_a_loop_of_its_own)


async def test_a_lock_that_another_process_keeps_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on meanwhile, and writing as soon as the lock is free."""
    monkeypatch.setattr(databases, "PATIENCE", 0.05)
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.commit(Commit("e", execution=ROW))
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(
            *(store.commit(Commit("e", results=[step(n)])) for n in (1, 2)),
            return_exceptions=True,
        )
        for outcome in outcomes:
            assert isinstance(outcome, StoreError)
            assert "locked by another process" in outcome.message
        assert await store.execution("e") == ROW
        other.execute("ROLLBACK")
    await store.commit(Commit("e", results=[step(1)]))
    await store.close()


async def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    with closing(database.create()) as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


# Reading


def step(number: int) -> StepResult:
    return StepResult(f"s{number}", "s", "set", Status.COMPLETED, seq=number)


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    database.create().close()
    reader = Reader(database)
    with pytest.raises(StoreError):
        await reader.run(lambda c: c.execute("DELETE FROM executions"))
    await reader.close()


async def test_a_read_sees_one_moment_of_the_database(store: SqliteStore, tmp_path: Path) -> None:
    committed = threading.Event()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        counts = [connection.execute("SELECT count(*) FROM results").fetchone()[0]]
        loop.call_soon_threadsafe(begun.set)
        committed.wait(10)
        return [*counts, connection.execute("SELECT count(*) FROM results").fetchone()[0]]

    reader = Reader(Database(tmp_path / "store.db"))
    reading = asyncio.ensure_future(reader.run(count_twice))
    await begun.wait()
    await store.commit(Commit("e", results=[step(1)]))
    committed.set()
    assert await reading == [0, 0]
    await reader.close()


async def test_text_that_is_no_unicode_is_refused(store: SqliteStore) -> None:
    for asked in (store.execution("\ud800"), store.cached("\ud800"), store.workflow("\ud800")):
        with pytest.raises(InvalidInput, match="Unicode"):
            await asked
    with pytest.raises(InvalidInput, match="Unicode"):
        await store.cache("\ud800", step(1), ttl=None)


async def test_a_damaged_result_is_reported_with_its_step(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.commit(Commit("e", results=[step(1)]))
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("UPDATE results SET document = substr(document, 1, 10)")
    with pytest.raises(StoreError, match="Step s1 of execution e is damaged"):
        await store.history("e")


async def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = await SqliteStore.open(file)
    await store.commit(Commit("e", execution=ROW))
    await store.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    store = await SqliteStore.open(file)
    with pytest.raises(StoreError, match=r"store\.db is damaged"):
        await store.executions()
    await store.close()


# Migrations


@pytest.fixture
def second_migration(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    first = databases._migrations()
    return lambda script: monkeypatch.setattr(databases, "_migrations", lambda: [*first, script])


async def test_an_older_database_is_brought_up_to_date_with_its_content(
    store: SqliteStore, tmp_path: Path, second_migration: Callable[[str], None]
) -> None:
    await store.close()
    second_migration("CREATE TABLE more (x); -- a comment;\nINSERT INTO more VALUES (';\n');")
    for _ in range(2):
        newer = await SqliteStore.open(tmp_path / "store.db")
        assert await newer.execution("e") == ROW
        await newer.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("SELECT x FROM more").fetchall() == [(";\n",)]


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    store: SqliteStore, tmp_path: Path, second_migration: Callable[[str], None]
) -> None:
    await store.close()
    second_migration("CREATE TABLE more (x);\nINSERT INTO absent VALUES (1);\n")
    with pytest.raises(StoreError, match="absent"):
        await SqliteStore.open(tmp_path / "store.db")
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert (
            connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall() == []
        )
