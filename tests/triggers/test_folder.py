"""Which files a pattern fits, and that it never leaves its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from assay.graphs.errors import LimitReached
from assay.triggers import folder
from assay.triggers.folder import check_pattern, scan


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    for name in (
        "a.csv",
        "b.txt",
        ".hidden.csv",
        "in/a.csv",
        "in/deep/b.csv",
        "in/deep/er/c.csv",
        ".git/d.csv",
        "in/.cache/e.csv",
        "é/ü.csv",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.csv", "a.csv"),
        ("?.*", "a.csv b.txt"),
        ("[!a]*", "b.txt"),
        (".*.csv", ".hidden.csv"),
        ("in/*.csv", "in/a.csv"),
        ("*/*.csv", "in/a.csv é/ü.csv"),
        ("**/*.csv", "a.csv in/a.csv in/deep/b.csv in/deep/er/c.csv é/ü.csv"),
        ("in/**", "in/a.csv in/deep/b.csv in/deep/er/c.csv"),
        ("**/deep/**/*.csv", "in/deep/b.csv in/deep/er/c.csv"),
        ("**/**/c.csv", "in/deep/er/c.csv"),
        (".git/**", ".git/d.csv"),
        ("in/.*/*", "in/.cache/e.csv"),
        ("in", ""),
        ("a.csv/*", ""),
        ("nothing/*", ""),
    ],
)
def test_a_pattern_fits_names_and_folders(tree: Path, pattern: str, files: str) -> None:
    found = scan(tree, pattern)

    assert sorted(found.files) == files.split()
    assert (found.notices, found.whole) == ([], True)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/etc/*", "'/etc/*' is absolute; write it relative to the workspace"),
        ("../x", "'../x' leaves the workspace; write it without `..`"),
        ("in/../../x", "leaves the workspace"),
        ("", "names no file"),
        ("in/", "names no file; write for example inbox/*.csv"),
        ("in//x", "is not a path"),
        ("./x", "is not a path"),
        ("x\0", "is not a path"),
        ("x" * 501, "500 characters at most"),
    ],
)
def test_a_pattern_that_leaves_its_folder_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_pattern(pattern)


def test_links_lead_nowhere_else(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("x")
    (tree / "out").symlink_to(tmp_path / "outside")
    (tree / "out.csv").symlink_to("../outside/secret.csv")
    (tree / "within.csv").symlink_to("in/a.csv")
    (tree / "folder").symlink_to("in")
    (tree / "nothing.csv").symlink_to("nowhere.csv")
    (tree / "loop.csv").symlink_to("loop.csv")

    found = scan(tree, "**/*.csv")
    literal = scan(tree, "out/*.csv")

    assert {"within.csv", "in/a.csv"} <= set(found.files)
    assert not {p for p in found.files if "out" in p or "folder" in p or "loop" in p}
    assert found.notices == [
        "folder is a link to a folder; it is not followed",
        "out leads out of the workspace; it is not watched",
        "out.csv leads out of the workspace; it is not watched",
    ]
    assert literal.files == {}


def test_what_is_not_a_file_is_not_watched(tree: Path) -> None:
    os.mkfifo(tree / "pipe.csv")
    os.close(os.open(os.fsencode(tree) + b"/\xff.csv", os.O_CREAT))

    found = scan(tree, "*.csv")

    assert set(found.files) == {"a.csv"}
    assert found.notices == [r"'\udcff.csv' is no UTF-8; it is not watched"]


def test_where_a_folder_cannot_be_read_nothing_is_known_to_be_gone(tree: Path) -> None:
    os.rename(tree, tree.with_name("away"))

    found = scan(tree, "*.csv")

    assert (found.files, found.whole) == ({}, False)
    assert found.notices == [f"the folder {tree} is not there"]


def test_a_version_is_that_of_what_was_written(tree: Path) -> None:
    def version() -> str:
        return scan(tree, "a.csv").files["a.csv"].version

    first = version()
    os.chmod(tree / "a.csv", 0o600)
    same = version()
    os.utime(tree / "a.csv", ns=(1, 1))
    touched = version()
    (tree / "new").write_text("a.csv")
    os.utime(tree / "new", ns=(1, 1))
    os.rename(tree / "new", tree / "a.csv")

    assert first == same
    assert len({first, touched, version()}) == 3


def test_more_files_than_are_watched_are_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LIMIT", 4)
    with pytest.raises(LimitReached, match=r"more than 4 files fit '\*\*', too many to watch"):
        scan(tree, "**")

    monkeypatch.setattr(folder, "_LOOKS", 3)
    with pytest.raises(LimitReached, match=r"'\*\*/x', more than 3 files must be looked at"):
        scan(tree, "**/x")
