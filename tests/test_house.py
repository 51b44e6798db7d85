"""The house stands: its links, its sizes, its map, its floors, and what is shipped from it."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = ("agents", "api", "graphs", "store", "triggers")
FRONT_DOOR = HOUSE / "src" / "assay"
LONGEST_FILE = 400
PIP = (sys.executable, "-m", "pip", "--quiet", "--no-input")
OFFLINE = ("--no-deps", "--no-index")

# A folder of somebody's own machine; the user inside our container image is nobody.
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|farm|root|Users/\w+|home/(?!assay\b)\w+)/")


def tracked(*paths: str) -> list[Path]:
    """Every tracked file under the given paths that is there, relative to the house."""
    listed = _run("git", "ls-files", "-z", "--", *paths).split("\0")
    return [Path(name) for name in listed if name and (HOUSE / name).is_file()]


def test_each_room_is_a_tracked_relative_link_behind_the_front_door() -> None:
    rows = _run("git", "ls-files", "--stage", "--", "src/assay").splitlines()
    links = {row.split("\t")[1] for row in rows if row.startswith("120000 ")}

    assert links == {f"src/assay/{room}" for room in ROOMS}
    for room in ROOMS:
        assert (FRONT_DOOR / room).readlink() == Path("../..") / room
        assert (HOUSE / room / "__init__.py").is_file()


def test_no_room_can_be_imported_by_its_bare_name() -> None:
    """Tests see what users see: `assay.graphs`, never `graphs`."""
    assert [room for room in ROOMS if importlib.util.find_spec(room)] == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(_text(path).splitlines()) for path in tracked("*.py")}

    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in tracked()
        if not (HOUSE / path).is_symlink()
        for number, line in enumerate(_text(path).splitlines(), 1)
        if MACHINE_PATH.search(line) or str(HOUSE) in line
    ]

    assert found == []


@pytest.mark.parametrize("below", ["work/x", "root/.cache", "home/ann/x", "Users/ann/x"])
def test_a_path_of_one_machine_is_recognised(below: str) -> None:
    """Put together here, so that this file does not name one itself."""
    assert MACHINE_PATH.search(f"HOME=/{below}")
    assert not MACHINE_PATH.search(f"docs/{below}")


def test_pinned_requirements_name_no_host_and_no_path() -> None:
    """A pin with its hash is the same file wherever it is fetched from."""
    for path in tracked("requirements"):
        lines = _text(path).splitlines()

        assert [line for line in lines if re.search(r"://|/|@ |--(?!hash=)", line)] == []
        assert any("--hash=sha256:" in line for line in lines)


def test_the_map_in_the_readme_names_what_is_there() -> None:
    named = list(_map_of_the_house(_text(Path("README.md"))))

    assert named, 'README.md needs a heading "The house" and a fenced tree under it'
    assert [path for path in named if not (HOUSE / path).exists()] == []
    assert {Path(room) for room in (*ROOMS, "tests")} <= set(named)


def test_the_map_is_read_line_by_line_and_fold_by_fold() -> None:
    tree = ["graphs/   the ground", "├── steps/  kinds", "│   └── a.py b.py", "api"]
    readme = "\n".join(["# A", "## The house", "", "```", *tree, "```", "```", "later", "```"])

    named = [path.as_posix() for path in _map_of_the_house(readme)]

    assert named == ["graphs", "graphs/steps", "graphs/steps/a.py", "graphs/steps/b.py", "api"]


def test_the_ground_floor_imports_no_other_room() -> None:
    """Not even inside a function, where import-linter's floors are easiest to slip past."""
    found = [
        f"{path}:{line} imports {room}"
        for path in tracked("graphs/*.py")
        for line, room in _rooms_imported(_text(path), path)
        if room != "graphs"
    ]

    assert found == []


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("import store", "store"),
        ("import assay.store.sqlite", "store"),
        ("from assay import agents", "agents"),
        ("from assay.api.cli import main", "api"),
        ("from ...store import sqlite", "store"),
        ("from ... import triggers", "triggers"),
        ("from ..plan import Plan", "graphs"),
        ("def later():\n    from ...agents import loop", "agents"),
    ],
)
def test_an_import_of_a_room_is_recognised(line: str, room: str) -> None:
    found = [name for _, name in _rooms_imported(line, Path("graphs/steps/shell.py"))]

    assert found == [room]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_every_file_of_every_room_and_nothing_that_git_ignores(
    wheel: Path,
) -> None:
    shipped = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    in_rooms = {path for path in shipped if path.parts[0] == "assay"}
    ours = {_in_the_wheel(path) for path in tracked("src/assay", *ROOMS)}
    new = {_in_the_wheel(path) for path in _unignored("src/assay", *ROOMS)}

    assert ours - in_rooms == set()
    assert in_rooms - ours - new == set()
    assert Path("assay/py.typed") in in_rooms
    assert len({path.parts[0] for path in shipped - in_rooms}) == 1, "only its dist-info beside it"


def test_the_wheel_installs_and_opens(wheel: Path, tmp_path: Path) -> None:
    """From an empty folder, where nothing but the installed wheel can answer."""
    _run(*PIP, "install", *OFFLINE, "--target", str(tmp_path / "installed"), str(wheel))

    rooms = ", ".join(f"assay.{room}" for room in ROOMS)
    seen = _run(
        sys.executable,
        "-c",
        f"import {rooms}; print(assay.__file__)",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path / "installed"),
    )

    assert Path(seen.strip()).is_relative_to(tmp_path / "installed")
    assert (tmp_path / "installed" / "bin" / "assay").is_file()


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = _build("sdist", tmp_path)
    _run(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "-w", str(tmp_path), str(archive))

    assert _checksums(tmp_path / wheel.name) == _checksums(wheel)


def _in_the_wheel(path: Path) -> Path:
    return "assay" / path.relative_to("src/assay" if path.parts[0] == "src" else "")


def _unignored(*paths: str) -> list[Path]:
    """Files not yet tracked: written a moment ago, and meant to be."""
    listed = _run("git", "ls-files", "-z", "--others", "--exclude-standard", "--", *paths)
    return [Path(name) for name in listed.split("\0") if name]


def _map_of_the_house(readme: str) -> Iterator[Path]:
    """The paths of the first fenced tree under the heading "The house".

    A line is one or more names, then, after two spaces, what to say of them;
    a line indented further (by spaces or tree strokes) lies in the folder above.
    """
    found = re.search(r"^#+ .*The house.*?^```\w*\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    above: list[tuple[int, Path]] = [(-1, Path())]
    for line in found[1].splitlines() if found else ():
        bare = line.lstrip(" │├└─")
        depth = len(line) - len(bare)
        while above[-1][0] >= depth:
            above.pop()
        names = [above[-1][1] / name for name in bare.split("  ")[0].split()]
        yield from names
        above += [(depth, names[0])] if names else []


def _rooms_imported(source: str, path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import in the source of a file at `path` in the house."""
    package = ("assay", *path.parts[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = tuple(node.module.split(".")) if node.module else ()
            names = [(*start, *module, alias.name) for alias in node.names]
        else:
            continue
        for name in names:
            room = name[1] if name[0] == "assay" and len(name) > 1 else name[0]
            if room in ROOMS:
                yield node.lineno, room


def _build(kind: str, into: Path) -> Path:
    """Build with the hatchling that is installed here: no network, no isolation."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into))
    (built,) = into.iterdir()
    return built


def _checksums(wheel: Path) -> dict[str, int]:
    return {item.filename: item.CRC for item in zipfile.ZipFile(wheel).infolist()}


def _text(path: Path) -> str:
    return (HOUSE / path).read_text(encoding="utf-8", errors="replace")


def _run(*command: str, cwd: Path = HOUSE, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
