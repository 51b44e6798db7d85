"""From a URL to a store on Firestore, and what is said when that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.stored import begun

from assay.graphs.errors import ConfigurationError, ExecutionNotFound, NotPossible, StoreError
from assay.store.connect import connect

pytestmark = pytest.mark.anyio

WITHOUT_GOOGLE = """
import asyncio, sys
sys.modules["google.cloud.firestore_v1"] = None
from assay.graphs.errors import ConfigurationError
from assay.store.connect import connect
try:
    asyncio.run(connect("firestore://p"))
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/(default)", "{}?ttl=600", "{}/?prefix="])
async def test_the_default_database_need_not_be_named(project: str, form: str) -> None:
    one = await connect(f"firestore://{project}")
    other = await connect(f"firestore://{form.format(project)}")
    try:
        await begun(one, "e")
        assert (await other.execution("e")).id == "e"
    finally:
        await one.close()
        await other.close()


@pytest.mark.parametrize("apart", ["{}/other-one", "{}?prefix=x", "{}2"])
async def test_databases_and_prefixes_know_nothing_of_each_other(project: str, apart: str) -> None:
    one = await connect(f"firestore://{project}")
    other = await connect(f"firestore://{apart.format(project)}")
    try:
        await begun(one, "e")
        with pytest.raises(ExecutionNotFound):
            await other.execution("e")
        await begun(other, "e")
        assert len((await other.executions()).items) == 1
    finally:
        await one.close()
        await other.close()


@pytest.mark.parametrize(
    "url",
    [
        "firestore://",
        "firestore:///db",
        "firestore://Project",
        "firestore://p/a/b",
        "firestore://p/DB",
        "firestore://p?prefix=a/b",
        "firestore://p?ttl=soon",
        "firestore://p?ttl=-1",
        "firestore://p?mode=ro",
    ],
)
async def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"firestore://|prefix"):
        await connect(url)


async def test_without_credentials_it_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(StoreError, match=r"absent\.json.*gcloud auth application-default login"):
        await connect("firestore://p")


def test_without_googles_client_it_says_how_to_install_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GOOGLE], capture_output=True, text=True, check=True
    )
    assert "pip install 'assay[google]'" in done.stdout


async def test_a_backup_is_left_to_google(project: str, tmp_path: Path) -> None:
    store = await connect(f"firestore://{project}")
    with pytest.raises(NotPossible, match="gcloud firestore export"):
        await store.backup(tmp_path / "copy")
    await store.close()
