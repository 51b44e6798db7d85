"""What the folder of blobs does beside its port."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import StoreError
from assay.store.blobs import FolderBlobs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def blob_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_equal_bytes_are_one_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    source = tmp_path / "source"
    source.write_bytes(b"same")
    for data in (b"same", source, b"same"):
        await blobs.put(data)
    assert [path.read_bytes() for path in blob_files(tmp_path / "blobs")] == [b"same"]


async def test_a_damaged_blob_is_reported_with_its_place(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    sha256 = await blobs.put(b"whole")
    (place,) = blob_files(tmp_path)
    assert blobs.path(sha256) == place
    place.write_bytes(b"wrong")
    with pytest.raises(StoreError, match=f"{place} is damaged"):
        await blobs.get(sha256)


@pytest.mark.parametrize("damage", [b"who", b"wrong"], ids=["cut short", "changed"])
async def test_a_damaged_blob_is_healed_by_putting_it_again(tmp_path: Path, damage: bytes) -> None:
    blobs, source = FolderBlobs(tmp_path / "blobs"), tmp_path / "source"
    source.write_bytes(b"whole")
    sha256 = await blobs.put(b"whole")
    (place,) = blob_files(tmp_path / "blobs")
    for again in (b"whole", source):
        place.write_bytes(damage)
        await blobs.put(again)
        assert await blobs.get(sha256) == b"whole"


async def test_two_that_share_a_folder_see_each_others_blobs(tmp_path: Path) -> None:
    sha256 = await FolderBlobs(tmp_path).put(b"shared")
    assert await FolderBlobs(tmp_path).get(sha256) == b"shared"


async def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file, not a folder")
    blobs = FolderBlobs(occupied)
    with pytest.raises(StoreError, match=str(occupied)):
        await blobs.put(b"x")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(StoreError, match=str(occupied)):
        await blobs.put(source)
    with pytest.raises(StoreError, match=str(occupied)):
        await blobs.get(hashlib.sha256(b"x").hexdigest())


async def test_a_put_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    occupied = tmp_path / hashlib.sha256(b"x").hexdigest()[:2]
    occupied.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="Cannot keep a blob"):
        await FolderBlobs(tmp_path).put(b"x")
    assert blob_files(tmp_path) == [occupied]


async def test_whatever_is_put_while_a_sweep_goes_on_is_there_afterwards(tmp_path: Path) -> None:
    """Each put is followed by a look; all the time another thread removes whatever is old."""
    blobs, over = FolderBlobs(tmp_path), threading.Event()
    removed = 0

    def sweep() -> None:
        nonlocal removed
        other = FolderBlobs(tmp_path)
        while not over.is_set():
            for sha256 in other._older(time.time() - 100):
                removed += other._remove(sha256, time.time() - 100)

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    try:
        for _ in range(300):
            sha256 = await blobs.put(b"the same")
            assert await blobs.get(sha256) == b"the same"
            place = blobs.path(sha256)
            assert place is not None
            os.utime(place, (1, 1))
    finally:
        over.set()
        sweeping.join()
    assert removed
