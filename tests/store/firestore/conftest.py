"""A project of the emulator that nobody else uses, and what is asked of it."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests import indexes

from assay.store.firestore.database import Database
from assay.store.firestore.store import FirestoreStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.emulators import Emulators


@pytest.fixture
def project(emulated: Emulators) -> str:
    return f"test-{secrets.token_hex(8)}"


@pytest.fixture
async def firestore(project: str) -> AsyncIterator[FirestoreStore]:
    """A store that says nothing of itself during a test."""
    store = await FirestoreStore.open(project, ttl=600)
    yield store
    await store.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many calls of each kind were made: `commit`, `get`, `query`."""
    counted: Counter[str] = Counter()

    def count(call: str, of: Any) -> None:
        indexes.check(call, of)
        counted[call] += 1

    monkeypatch.setattr(Database, "watcher", count)
    return counted
