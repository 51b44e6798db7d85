"""Every test of a saver runs on each place that a saver may keep its state in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.store.firestore.database import Database

from .places import FirestorePlace, Place, SqlitePlace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from assay.store.checkpointing.saver import Saver

    from ...emulators import Emulators


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(params=["sqlite", "firestore"])
def place(request: pytest.FixtureRequest, path: Path) -> Place:
    if request.param == "sqlite":
        return SqlitePlace(path)
    firestore: FirestorePlace = request.getfixturevalue("firestore")
    return firestore


@pytest.fixture
def firestore(emulated: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirestorePlace]:
    """A project of its own, of which every query is held against the indexes there will be."""
    place = FirestorePlace()
    monkeypatch.setattr(Database, "watcher", place.watch)
    yield place
    place.clear()


@pytest.fixture
async def saver(place: Place) -> AsyncIterator[Saver]:
    async with place.open() as opened:
        yield opened
