"""The implementations that the contract suites are held against."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from tests import query_plans

from assay.store.connect import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from assay.graphs.ports import Store

LASTING = ["sqlite", "firestore"]
"""Stores that a second opening finds as the first left them, and that several may share."""


@pytest.fixture(autouse=True)
def queries_find_by_index() -> Iterator[None]:
    """Hold every query of the test on SQLite against the plan that SQLite has for it."""
    with query_plans.watched():
        yield


@pytest.fixture(params=LASTING)
def lasting_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _url(request, tmp_path)


@pytest.fixture(params=[*LASTING, "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await connect(_url(request, tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def two_stores(lasting_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two workers: the same storage, opened twice."""
    async with AsyncExitStack() as stack:
        one, other = await connect(lasting_url), await connect(lasting_url)
        stack.push_async_callback(one.close)
        stack.push_async_callback(other.close)
        yield one, other


def _url(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "firestore":
        request.getfixturevalue("emulated")
        return f"firestore://test-{secrets.token_hex(8)}"  # nobody else's: projects do not mix
    urls = {"sqlite": f"sqlite:///{folder}/store.db", "memory": "sqlite://:memory:"}
    return urls[request.param]
