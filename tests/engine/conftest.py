"""An open app in a workspace of its own, on each store that a test is run on.

`ASSAY_TEST_STORE=firestore` runs the suite on Firestore (`sqlite`: on SQLite) and on nothing
else; `ASSAY_LONG=1` on both. Otherwise it runs on SQLite, and on Firestore what is marked
`every_store`: there the store's own behaviour matters.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assay.testing import Clock

from .. import running
from ..running import House, Order, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
def order(house: House) -> Order:
    return Order(house)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time of day, which passes an hour when the test says so."""
    with Clock() as clock:
        yield clock


@pytest.fixture(autouse=True)
def store_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> running.Kind:
    """The store that the test is run on."""
    kind: running.Kind = getattr(request, "param", "sqlite")
    if kind == "firestore":
        if only := request.node.get_closest_marker("sqlite_only"):
            pytest.skip(f"on SQLite only: {only.args[0]}")
        request.getfixturevalue("emulated")
    monkeypatch.setattr(running, "store_kind", kind)
    return kind


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that opens no app, or needs the emulators itself, is run as it is."""
    itself = metafunc.function
    if inspect.iscoroutinefunction(itself) and "emulated" not in metafunc.fixturenames:
        kinds = _kinds({mark.name for mark in metafunc.definition.iter_markers()})
        # On SQLite it has the name that it has elsewhere.
        ids = [pytest.HIDDEN_PARAM if kind == "sqlite" else kind for kind in kinds]
        metafunc.parametrize("store_kind", kinds, ids=ids, indirect=True)


def _kinds(marked: set[str]) -> list[str]:
    if asked := os.environ.get("ASSAY_TEST_STORE"):
        return [asked]
    both = os.environ.get("ASSAY_LONG") or "every_store" in marked
    return ["sqlite", "firestore"] if both and "sqlite_only" not in marked else ["sqlite"]
