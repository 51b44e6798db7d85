"""What is damaged on the disk is named, and as much as can be goes on."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from assay.graphs.execution import Status

from ..running import open_house
from .every_kind import ONCE, RACY, Scene
from .existence import Existence
from .forkserver import ForkServer
from .ledger import Account
from .verdict import broken, differences
from .world import World

LARGE = """
name: large
steps:
  - {id: small, type: python, function: mark, inputs: {value: small}}
  - {id: large, type: python, function: bulk, inputs: {size: 100000}}
  - {id: cut, type: python, function: die}
  - {id: report, type: python, function: mark, inputs: {value: "{{ size(large.output) }}"}}
"""


BEGUN = {("small", 1): 1, ("large", 1): 1, ("cut", 1): 1}
"""What has happened of it when it is killed; paths, attempts, how often."""


@pytest.fixture
def cut_off(server: ForkServer, tmp_path: Path) -> Existence:
    """An execution that was killed when it had a large result."""
    existence = Existence(server, tmp_path / "e", {"large.yaml": LARGE}, {}, {})
    assert existence.live() is None
    return existence


def blobs(home: Path) -> list[Path]:
    return [path for path in (home / "blobs").glob("??/*") if path.is_file()]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_without_damage_it_goes_on_with_its_large_result(cut_off: Existence) -> None:
    cut_off.live_on()
    left = cut_off.left()

    assert left.history.results["report"].output == 100000
    assert broken(left, cut_off.kills) == []


@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncated", "gone"])
def test_a_damaged_blob_is_named_and_nothing_is_guessed(
    cut_off: Existence, damage: Callable[[Path], None]
) -> None:
    (blob,) = blobs(cut_off.home)
    damage(blob)

    assert cut_off.live() == "failed"
    error = error_of(cut_off)
    assert error.startswith("state_corrupted: ")
    assert "step large" in error
    assert blob.name in error
    assert begun(cut_off) == BEGUN


def test_a_damaged_journal_is_named_and_nothing_runs_on_it(cut_off: Existence) -> None:
    with closing(sqlite3.connect(cut_off.home / "assay.db")) as database, database:
        database.execute(
            "UPDATE journal SET data = substr(data, 1, length(data) / 2) WHERE first > 2"
        )

    assert cut_off.live() == "failed"
    assert "cannot be read" in error_of(cut_off)
    assert begun(cut_off) == BEGUN


def test_a_gap_in_the_journal_is_named_and_nothing_runs_on_it(cut_off: Existence) -> None:
    with closing(sqlite3.connect(cut_off.home / "assay.db")) as database, database:
        database.execute("DELETE FROM journal WHERE key = (SELECT max(key) - 1 FROM journal)")

    assert cut_off.live() == "failed"
    assert "lacks what lies between" in error_of(cut_off)
    assert begun(cut_off) == BEGUN


def garbage(database: sqlite3.Connection) -> None:
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_chunks"):
        database.execute(f"UPDATE {table} SET data = ?", (Random(0).randbytes(100),))


def half(database: sqlite3.Connection) -> None:
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_chunks"):
        database.execute(f"UPDATE {table} SET data = substr(data, 1, length(data) / 2)")


def gone(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM checkpoint_blobs")
    database.execute("DELETE FROM checkpoint_writes")


def all_gone(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM checkpoint_threads")


@pytest.mark.parametrize("damage", [garbage, half, gone, all_gone])
def test_a_damaged_checkpoint_is_survived(
    server: ForkServer,
    outside: World,
    tmp_path: Path,
    damage: Callable[[sqlite3.Connection], None],
) -> None:
    """It is a cache of position: what was done is in the journal."""
    scene = Scene(server, outside, tmp_path)
    expected, _ = scene.undisturbed()
    existence = scene.existence("damaged")
    closed = 0  # each time, whatever goes on by itself at that moment is cut off
    # `waiting`, or already queued or running: something may have come due meanwhile.
    while not Status(str(existence.live(patient=False))).terminal:
        closed += 1
        with closing(sqlite3.connect(existence.home / "assay.db")) as database, database:
            database.execute("PRAGMA foreign_keys = ON")
            damage(database)
            assert database.total_changes > 0, "there was a checkpoint to damage"
        assert existence.begin("life:answer").end() == 0
    left = existence.left()

    assert differences(left, expected, RACY) == []
    assert broken(left, closed, ONCE) == []


@pytest.mark.anyio
@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncated", "gone"])
async def test_a_cached_step_runs_again_when_its_file_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    steps = """
        - id: build
          type: shell
          command: echo built >> runs; echo content | tee file
          artifacts: {file: file}
          cache: {key: always}
    """
    async with open_house(tmp_path) as house:
        first = await house.run(steps)
        (blob,) = blobs(tmp_path / "home")
        damage(blob)
        again = await house.run(steps)
        cached = await house.run(steps)

    assert [e.status for e in (first, again, cached)] == [Status.COMPLETED] * 3
    assert [e.steps["build"].cached for e in (first, again, cached)] == [False, False, True]
    assert (house.workspace / "runs").read_text() == "built\n" * 2
    assert blob.read_text() == "content\n"


def error_of(existence: Existence) -> str:
    """The error of an execution, as `code: message`."""
    with closing(sqlite3.connect(existence.home / "assay.db")) as database:
        row = database.execute(
            "SELECT changing ->> '$.error.code', changing ->> '$.error.message' FROM executions"
        ).fetchone()
    return f"{row[0]}: {row[1]}"


def begun(existence: Existence) -> Counter[tuple[str, int]]:
    return Account.of(existence.ledger.lines()).begun
