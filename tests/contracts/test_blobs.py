"""What every `Blobs` owes, whatever it is made of."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.graphs.errors import StoreError
from assay.store.blobs import FolderBlobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from assay.graphs.ports import Blobs

pytestmark = pytest.mark.anyio

ABSENT = hashlib.sha256(b"nobody put this").hexdigest()


@pytest.fixture(params=["folder", "firestore"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    if request.param == "folder":
        yield FolderBlobs(tmp_path / "not" / "yet" / "there")
        return
    request.getfixturevalue("emulated")
    from assay.store.firestore.store import FirestoreStore

    store = await FirestoreStore.open(f"test-{secrets.token_hex(8)}")
    yield store.blobs(tmp_path)
    await store.close()


async def test_bytes_come_back_by_their_sha256(blobs: Blobs) -> None:
    sha256 = await blobs.put(b"some bytes")
    assert sha256 == hashlib.sha256(b"some bytes").hexdigest()
    assert await blobs.get(sha256) == b"some bytes"


async def test_a_file_is_kept_by_its_content(blobs: Blobs, tmp_path: Path) -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    source = tmp_path / "source"
    source.write_bytes(content)
    sha256 = await blobs.put(source)
    assert sha256 == hashlib.sha256(content).hexdigest()
    source.unlink()
    assert await blobs.get(sha256) == content


async def test_bytes_and_a_file_of_equal_content_are_one_blob(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"same")
    assert await blobs.put(b"same") == await blobs.put(source) == await blobs.put(source)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000))
async def test_any_bytes_come_back_as_they_were(blobs: Blobs, data: bytes) -> None:
    assert await blobs.get(await blobs.put(data)) == data


async def test_only_what_was_put_is_there(blobs: Blobs) -> None:
    assert not await blobs.has(ABSENT)
    sha256 = await blobs.put(b"x")
    assert await blobs.has(sha256)
    assert not await blobs.has(ABSENT)
    with pytest.raises(StoreError, match=ABSENT):
        await blobs.get(ABSENT)


async def test_many_may_put_the_same_bytes_at_once(blobs: Blobs) -> None:
    hashes = await asyncio.gather(*(blobs.put(b"y" * 100_000) for _ in range(20)))
    assert len(set(hashes)) == 1
    assert await blobs.get(hashes[0]) == b"y" * 100_000


async def test_a_blob_that_lies_on_this_machine_has_a_path(blobs: Blobs) -> None:
    """None elsewhere, such as in a bucket."""
    path = blobs.path(await blobs.put(b"some bytes"))
    assert path is None or path.read_bytes() == b"some bytes"
    assert blobs.path(ABSENT) is None


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", ABSENT.upper(), ABSENT[:-1], ABSENT + "\n", "é" * 64]
)
async def test_what_is_not_a_sha256_names_no_blob(blobs: Blobs, name: str) -> None:
    assert not await blobs.has(name)
    assert blobs.path(name) is None
    with pytest.raises(StoreError, match="SHA-256"):
        await blobs.get(name)


async def test_only_a_file_that_can_be_read_is_kept(blobs: Blobs, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for source in (tmp_path / "absent", tmp_path, pipe):
        async with asyncio.timeout(60):
            with pytest.raises(StoreError, match=str(source)):
                await blobs.put(source)
