"""Every test of a saver runs on each place that a saver may keep its state in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .places import FirestorePlace, Place, SqlitePlace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from assay.store.checkpointing.saver import Saver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(params=["sqlite", "firestore"])
def place(request: pytest.FixtureRequest, path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield SqlitePlace(path)
        return
    request.getfixturevalue("emulated")
    project = FirestorePlace()
    yield project
    project.clear()


@pytest.fixture
async def saver(place: Place) -> AsyncIterator[Saver]:
    async with place.open() as opened:
        yield opened
