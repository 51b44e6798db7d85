"""A database that another process locks for five seconds loses nothing and repeats nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from .every_kind import ONCE, RACY, Scene
from .existence import Existence, Left
from .forkserver import ForkServer
from .verdict import broken, differences
from .world import World

LOCKED = 5.0
"""Seconds."""


@pytest.fixture
def scene(server: ForkServer, outside: World, tmp_path: Path) -> Scene:
    return Scene(server, outside, tmp_path)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Nobody can write to the database for five seconds from now on; left when somebody can."""
    begun = Event()

    def hold() -> None:
        with closing(sqlite3.connect(home / "assay.db", isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            begun.set()
            time.sleep(LOCKED)
            database.execute("COMMIT")

    holder = Thread(target=hold)
    holder.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        holder.join()


def test_a_lock_of_five_seconds_is_sat_out(scene: Scene) -> None:
    expected, _ = scene.undisturbed()
    existence = scene.existence("locked")
    child = existence.begin()
    assert child.hear() == "driving"
    while not existence.ledger.happened("skill"):
        time.sleep(0.005)
    with locked(existence.home):
        kept = len(existence.ledger.lines())
        time.sleep(LOCKED / 2)
        assert len(existence.ledger.lines()) <= kept + 2, "it ran on without its journal"
    assert existence.buried(child, child.hear()) == "completed"

    check(existence, expected)
    assert existence.left().account.repeated == 0


def test_a_process_that_begins_at_a_locked_database_goes_on_with_what_was_killed(
    scene: Scene,
) -> None:
    expected, _ = scene.undisturbed()
    existence = scene.existence("killed")
    assert existence.live(die_at="after 20") is None
    began = time.monotonic()
    with locked(existence.home):
        existence.live_on()
    assert time.monotonic() - began >= LOCKED

    check(existence, expected)


def check(existence: Existence, expected: Left) -> None:
    left = existence.left()
    assert differences(left, expected, RACY) == []
    assert broken(left, existence.kills, ONCE) == []
