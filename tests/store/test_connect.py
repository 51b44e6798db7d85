"""From a URL to an open store, and what is said when that fails."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun

from assay.graphs.errors import ConfigurationError, StateCorrupted, StoreError
from assay.store.connect import connect

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_relative_path_begins_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = await connect("sqlite:///some/folder/store.db")
    await store.close()
    assert (tmp_path / "some" / "folder" / "store.db").is_file()


async def test_four_slashes_begin_an_absolute_path(tmp_path: Path) -> None:
    store = await connect(f"sqlite:///{tmp_path}/é ?mode=ro#%20.db")
    await store.close()
    assert (tmp_path / "é ?mode=ro#%20.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:///:memory:"])
async def test_stores_in_memory_know_nothing_of_each_other(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = await connect(url), await connect(url)
    await begun(one, "e")
    assert len((await one.executions()).items) == 1
    assert (await other.executions()).items == []
    await one.close()
    await other.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["", "store.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://store.db", "sqlite:///a\0"],
)
async def test_a_url_without_a_file_is_answered_with_what_to_give(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///relative\.db"):
        await connect(url)


async def test_an_unknown_scheme_is_answered_with_what_exists_and_without_secrets() -> None:
    with pytest.raises(ConfigurationError, match=r"no store 'mysql'.*sqlite:///") as refused:
        await connect("mysql://user:secret@host/db")
    assert "secret" not in refused.value.message


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Not a database at all. " * 100)
    with pytest.raises(StateCorrupted, match=r"notes\.txt is not an SQLite database"):
        await connect(f"sqlite:///{file}")
    assert file.read_text() == "Not a database at all. " * 100


async def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        before = file.read_bytes()
    with pytest.raises(StoreError, match="belongs to another program"):
        await connect(f"sqlite:///{file}")
    assert file.read_bytes() == before


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    await (await connect(url)).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer Assay: it has schema 99.*up to \d+.*Upgrade"):
        await connect(url)


async def test_a_database_from_before_the_first_release_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    await (await connect(url)).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE journal")
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"before its first release.*give another file"):
        await connect(url)
    assert file.read_bytes() == before


async def test_a_closed_store_leaves_one_file(tmp_path: Path) -> None:
    store = await connect(f"sqlite:///{tmp_path}/store.db")
    await begun(store)
    await store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        await connect(f"sqlite:///{tmp_path}")


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(StoreError, match="occupied, which cannot be used"):
        await connect(f"sqlite:///{tmp_path}/occupied/store.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_file_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    await (await connect(url)).close()
    file.chmod(0o400)
    with pytest.raises(StoreError, match="may not be written to"):
        await connect(url)
