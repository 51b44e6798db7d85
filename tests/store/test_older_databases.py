"""Databases that an older Assay has written are read as what they meant."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.stored import begun

from assay.graphs.stored import Principal
from assay.store.sqlite import database as databases
from assay.store.sqlite.store import SqliteStore

pytestmark = pytest.mark.anyio


async def test_what_was_kept_before_there_were_profiles_is_bound_to_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key's is then that of its role."""
    file = tmp_path / "store.db"
    known = databases._migrations()
    with monkeypatch.context() as before:
        before.setattr(databases, "_migrations", lambda: known[:5])
        store = await SqliteStore.open(file)
        of, _ = await begun(store, "e")
        await store.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE executions SET given = json_remove(given, '$.profile')")
        connection.execute(
            "INSERT INTO principals VALUES ('p', 'Ann', 'admin', '[]', 'h', '', NULL)"
        )

    store = await SqliteStore.open(file)
    try:
        assert await store.execution("e") == of
        assert of.profile == ""
        assert await store.principal(id="p") == Principal("p", "Ann", "admin", (), "h")
    finally:
        await store.close()
