"""Files are opened as they were found: no link that has come meanwhile leads elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.graphs.workspace import doors


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "secret.txt").write_text("mine")
    return folder


Swap = Callable[[Path, Path], None]


def folder_for_link(root: Path, outside: Path) -> None:
    (root / "inner").rename(root / "elsewhere")
    (root / "inner").symlink_to(outside)


def file_for_link(root: Path, outside: Path) -> None:
    (root / "inner" / "secret.txt").unlink()
    (root / "inner" / "secret.txt").symlink_to(outside / "secret.txt")


def test_a_file_is_read_and_written_below_the_root(root: Path) -> None:
    doors.write(root, root / "new" / "folders" / "a.txt", b"longer")
    doors.write(root, root / "new" / "folders" / "a.txt", b"short")

    with doors.reading(root, root / "new" / "folders" / "a.txt") as file:
        assert file.read() == b"short"


@pytest.mark.parametrize("swap", [folder_for_link, file_for_link])
def test_what_was_found_inside_and_became_a_link_is_not_opened(
    root: Path, outside: Path, swap: Swap
) -> None:
    found = (root / "inner" / "secret.txt").resolve()
    swap(root, outside)

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        doors.reading(root, found)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        doors.write(root, found, b"theirs")
    assert (outside / "secret.txt").read_text() == "secret"


def test_no_folder_is_made_behind_a_link(root: Path, outside: Path) -> None:
    folder_for_link(root, outside)

    with pytest.raises(OSError, match="Not a directory"):
        doors.write(root, root / "inner" / "made" / "a.txt", b"theirs")
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def test_nobody_waits_for_the_other_end_of_a_pipe(root: Path) -> None:
    os.mkfifo(root / "pipe")

    with pytest.raises(OSError, match="not a plain file"):
        doors.reading(root, root / "pipe")
    with pytest.raises(OSError, match="not a plain file"):
        doors.write(root, root / "pipe", b"lost")


def test_no_handle_is_left_open(root: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for name in ("inner/secret.txt", "inner", "inner/none", "none/none"):
        try:
            doors.reading(root, root / name).close()
        except OSError:
            continue

    assert len(os.listdir("/dev/fd")) == before
