"""Who is alive: locks that the kernel frees, on files that the dead leave behind."""

from __future__ import annotations

import fcntl
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import StoreError
from assay.store.connect import connect
from assay.store.sqlite.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def files(database: Path) -> list[str]:
    folder = database.with_name(f"{database.name}-workers")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_worker_is_alive_until_it_is_closed(database: Path) -> None:
    one, other = Workers(database), Workers(database)
    assert files(database) == sorted([one.own, other.own])
    assert one.alive(one.own)
    assert one.alive(other.own)
    assert other.alive(one.own)
    one.close()
    one.close()
    assert not one.alive(one.own)
    assert not other.alive(one.own)
    other.close()
    assert list(database.parent.iterdir()) == []


def test_those_who_look_at_once_do_not_take_each_other_for_alive(database: Path) -> None:
    looking = Workers(database)
    with ThreadPoolExecutor(8) as threads:
        for number in range(50):
            dead = database.with_name("store.db-workers") / f"1-{number:x}"
            dead.touch()
            assert not any(threads.map(looking.alive, [dead.name] * 8))
    looking.close()


def test_the_files_of_the_dead_go_when_somebody_comes(database: Path) -> None:
    first = Workers(database)
    folder = database.with_name("store.db-workers")
    for name in ("1-a", "2-b", "notes.txt"):
        (folder / name).touch()
    second = Workers(database)
    assert files(database) == sorted([first.own, second.own, "notes.txt"])
    first.close()
    second.close()
    assert files(database) == ["notes.txt"]


def test_somebody_may_take_a_new_file_for_a_dead_ones(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is removed between making it and locking it; the worker makes another."""
    removed: list[str] = []
    flock = fcntl.flock

    def meddling(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and len(removed) < 2:
            (path,) = database.with_name("store.db-workers").iterdir()
            path.unlink()
            removed.append(path.name)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", meddling)
    worker = Workers(database)
    assert removed == [worker.own] * 2
    other = Workers(database)
    assert other.alive(worker.own)
    worker.close()
    other.close()


def test_workers_meet_however_the_database_is_named(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.touch()
    (database.parent / "link.db").symlink_to(database)
    monkeypatch.chdir(database.parent)
    one = Workers(database)
    for name in ("link.db", "store.db", "../" + database.parent.name + "/store.db"):
        other = Workers(type(database)(name))
        assert other.alive(one.own)
        assert one.alive(other.own)
        other.close()
    one.close()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "1-", "-a", "1-g", "x" * 9999, "\0"])
def test_what_is_no_worker_is_dead(database: Path, name: str) -> None:
    workers = Workers(database)
    assert not workers.alive(name)
    workers.close()


def test_a_database_in_memory_has_one_worker(database: Path) -> None:
    workers = Workers(None)
    assert workers.alive(workers.own)
    assert not workers.alive("1-a")
    workers.close()


@pytest.mark.anyio
async def test_a_system_without_such_locks_is_told_so(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(StoreError, match=r"needs the file locks.*:memory:"):
        await connect(f"sqlite:///{database}")
    await (await connect("sqlite://:memory:")).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_named(database: Path) -> None:
    database.parent.chmod(0o500)
    with pytest.raises(StoreError, match=r"store\.db-workers"):
        Workers(database)
    database.parent.chmod(0o700)


def test_a_file_in_place_of_the_folder_is_named(database: Path) -> None:
    database.with_name("store.db-workers").touch()
    with pytest.raises(StoreError, match=r"store\.db-workers"):
        Workers(database)
