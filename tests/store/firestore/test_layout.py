"""The version of a database's layout: refused when newer, brought up step by step when older."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import StoreError
from assay.store.firestore import layout
from assay.store.firestore.database import Database
from assay.store.firestore.store import FirestoreStore
from assay.store.migrating import index_commands, layout_of, migrate
from assay.store.upkeep import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(project: str) -> AsyncIterator[Database]:
    opened = Database(project, "(default)")
    yield opened
    await opened.close()


async def test_a_newer_layout_is_refused(project: str, database: Database) -> None:
    batch = database.batch()
    batch.create(database.at("meta", "schema"), {"version": 99})
    await database.commit(batch, "A newer Assay")
    with pytest.raises(StoreError, match=r"newer Assay: it has layout 99.*Upgrade Assay"):
        await FirestoreStore.open(project)
    assert await layout_of(f"firestore://{project}") == Layout(99, 1)


async def test_an_older_layout_is_brought_up_step_by_step(
    project: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, gone = f"firestore://{project}", []

    async def second(of: Database) -> None:
        assert (await layout.read(of)).version == 1
        gone.append(2)

    async def third(of: Database) -> None:
        if gone == [2]:
            gone.append(0)
            raise StoreError("cut off")
        gone.append(3)

    assert await migrate(url) == Layout(1, 1)
    monkeypatch.setattr(layout, "STEPS", [second, third])
    assert await layout_of(url) == Layout(1, 3)
    with pytest.raises(StoreError, match="run: assay store migrate"):
        await FirestoreStore.open(project)
    with pytest.raises(StoreError, match="cut off"):
        await migrate(url)
    assert await layout_of(url) == Layout(2, 3)
    assert await migrate(url) == Layout(3, 3)
    assert await migrate(url) == Layout(3, 3)
    assert gone == [2, 0, 3]
    await (await FirestoreStore.open(project)).close()


def test_every_exemption_has_its_command() -> None:
    commands = index_commands("firestore://project-a/some-db?prefix=x")
    assert (
        "gcloud firestore indexes fields update data --collection-group=chunks "
        "--disable-indexes --project=project-a --database=some-db" in commands
    )
    assert index_commands("sqlite:///x.db") == []


def test_an_index_that_queries_need_is_made_and_not_switched_off() -> None:
    """That of `entries.at`, by which streams over several executions are read."""
    commands = index_commands("firestore://project-a/some-db")
    assert not [c for c in commands if "update at --collection-group=entries" in c]
    (command,) = [c for c in commands if "/entries/fields/at?" in c]
    curl, *words = shlex.split(command)
    assert curl == "curl"
    assert words[-1] == (
        "https://firestore.googleapis.com/v1/projects/project-a/databases/some-db"
        "/collectionGroups/entries/fields/at?updateMask=indexConfig"
    )
    (index,) = json.loads(words[words.index("-d") + 1])["indexConfig"]["indexes"]
    assert index == {
        "queryScope": "COLLECTION_GROUP",
        "fields": [{"fieldPath": "at", "order": "ASCENDING"}],
    }
