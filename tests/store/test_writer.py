"""The thread that writes: works that wait share a transaction, and each fails for itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.errors import InvalidInput, StoreError, StoreUnavailable
from assay.store.sqlite.database import Database
from assay.store.sqlite.writer import Joint, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio


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
    holding = asyncio.ensure_future(writer.run(lambda _: go_on.wait(60)))
    waiting = [asyncio.ensure_future(writer.run(work, f"Work {n}")) for n, work in enumerate(works)]
    await asyncio.sleep(0)  # all have begun
    go_on.set()
    await holding
    return await asyncio.gather(*waiting, return_exceptions=True)


async def traced(writer: Writer) -> list[str]:
    """The statements that it runs from now on."""
    statements: list[str] = []
    await writer.run(lambda c: c.set_trace_callback(statements.append))
    statements.clear()
    return statements


async def test_works_that_wait_share_a_transaction(writer: Writer) -> None:
    statements = await traced(writer)
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


async def test_a_work_that_fails_before_it_changes_anything_costs_no_transaction(
    writer: Writer,
) -> None:
    def refused(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT x FROM t").fetchall()
        raise ZeroDivisionError

    statements = await traced(writer)
    outcomes = await together(writer, insert(1), refused, insert(2), refused, insert(3))
    assert [type(outcome) for outcome in outcomes[1::2]] == [ZeroDivisionError] * 2
    assert await writer.run(values) == [1, 2, 3]
    assert "ROLLBACK" not in statements


async def test_an_error_says_what_could_not_be_kept(writer: Writer) -> None:
    await writer.run(insert(7))
    outcomes = await together(writer, insert(1), insert(2**70), insert("\ud800"), insert(7))
    assert isinstance(outcomes[1], InvalidInput)
    assert "Work 1" in outcomes[1].message
    assert isinstance(outcomes[2], InvalidInput)
    assert "Work 3 could not be kept: the database " in str(outcomes[3])
    assert await writer.run(values) == [1, 7]


class Row(Joint):
    """Inserts a value; `statements` counts how often that took one."""

    statements = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self, connection: sqlite3.Connection) -> int:
        Row.statements += 1
        connection.execute("INSERT INTO t VALUES (?)", (self.value,))
        return -self.value

    @staticmethod
    def together(connection: sqlite3.Connection, works: Sequence[Row]) -> Sequence[int] | None:
        Row.statements += 1
        places = ", ".join(["(?)"] * len(works))
        added = connection.execute(
            f"INSERT OR IGNORE INTO t VALUES {places}", [work.value for work in works]
        ).rowcount
        return [-work.value for work in works] if added == len(works) else None


async def test_works_of_a_kind_are_done_together(writer: Writer) -> None:
    Row.statements = 0
    outcomes = await together(writer, *map(Row, range(30)), insert(50), *map(Row, range(30, 40)))
    assert outcomes == [*(-n for n in range(30)), 1, *(-n for n in range(30, 40))]
    assert Row.statements == 1
    assert await writer.run(values) == [*range(40), 50]


async def test_when_one_of_them_fails_it_fails_alone(writer: Writer) -> None:
    await writer.run(insert(11))
    outcomes = await together(writer, *map(Row, range(20)), insert(50), insert(11), Row(3))
    failed = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, StoreError)]
    assert failed == [11, 21, 22]
    assert await writer.run(values) == [*range(20), 50]


async def test_when_the_disk_is_full_what_still_fits_is_written(writer: Writer) -> None:
    (pages,) = await writer.run(lambda c: c.execute("PRAGMA page_count").fetchone())
    await writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    outcomes = await together(writer, insert(1), insert("x" * 100_000), insert(2))
    assert (outcomes[0], outcomes[2]) == (1, 1)
    with pytest.raises(StoreUnavailable, match=r"Work 1 could not be kept.*disk is full"):
        raise outcomes[1]
    assert await writer.run(values) == [1, 2]


async def test_a_caller_that_was_cancelled_does_not_disturb_the_others(writer: Writer) -> None:
    go_on = threading.Event()
    holding = asyncio.ensure_future(writer.run(lambda _: go_on.wait(60)))
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

        async def run(work: Callable[[sqlite3.Connection], Any]) -> Any:
            return await writer.run(work)

        asyncio.run(run(lambda c: c.execute("CREATE TABLE t (x)")))
        assert asyncio.run(run(insert(1))) == 1
        asyncio.run(writer.close())

    await asyncio.to_thread(in_a_loop_of_its_own)


async def test_a_test_may_be_told_of_every_commit(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def boundary(name: str) -> None:
        told.append(name)

    monkeypatch.setattr(Writer, "boundary", boundary)
    for number in range(2):
        await writer.run(insert(number))
    assert told == ["before 1", "after 1", "before 2", "after 2"]
