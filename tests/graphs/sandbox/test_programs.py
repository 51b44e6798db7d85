"""What programs must still be able to do inside, on the rungs that profiles accept."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.sandbox import Rung

from .conftest import Ended, World, named, python, users

INSIDE = pytest.mark.parametrize(
    ("rung", "user"),
    [
        pytest.param(rung, user, id=f"{rung.label}-{named(user)}")
        for rung in (Rung.JAIL, Rung.BUBBLEWRAP)
        for user in users()
    ],
)


def bash(world: World, script: str, **order: Any) -> Ended:
    return world.run(["bash", "-eo", "pipefail", "-c", script], **order)


def needs(program: str) -> None:
    if shutil.which(program, path=os.defpath) is None:
        pytest.skip(f"{program} is not installed here")


@INSIDE
def test_a_shell_has_its_pipes_and_its_files(rung: Rung, user: int, make_world: Any) -> None:
    script = """
    cat <(echo one) - <<< two | tr a-z A-Z | tee kept
    mktemp | xargs rm
    cat <<< "$(wc -l < kept)" > /dev/stdout
    mkdir -p a/b && mv kept a/b/moved && ln a/b/moved a/linked && ln -s b/moved a/soft
    cat a/soft; chmod 700 a/linked; touch -d 2020-01-01 a/linked; cp -a a c; rm -r a c
    (sleep 0.01 & wait); ulimit -n
    """

    ended = bash(make_world(rung, user, open_files=300), script)

    assert ended.said.split() == ["ONE", "TWO", "2", "ONE", "TWO", "300"], ended


@INSIDE
def test_python_has_its_library_its_children_and_environments(
    rung: Rung, user: int, make_world: Any
) -> None:
    world = make_world(rung, user)
    program = """
import hashlib, json, sqlite3, ssl, subprocess, sys, tempfile, threading, zipfile
with tempfile.TemporaryDirectory() as folder, sqlite3.connect(folder + "/x.db") as database:
    database.execute("create table t (a)")
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\\n"
threads = [threading.Thread(target=print) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
ssl.create_default_context()
print("fine")
"""
    told = world.run([python(user), "-c", program])
    assert told.said.split() == ["fine"], told

    told = bash(world, f"{python(user)} -m venv --without-pip v && v/bin/python -c 'print(1)'")
    assert told.said == "1\n", told


@INSIDE
def test_pytest_runs(rung: Rung, user: int, make_world: Any) -> None:
    """From a copy beside the tests: the one we run on may lie in somebody's home."""
    world = make_world(rung, user)
    libraries = world.folder / "libraries"
    libraries.mkdir()
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        if found.submodule_search_locations:
            shutil.copytree(Path(found.origin).parent, libraries / name)
        else:
            shutil.copy(found.origin, libraries)
    test = "def test_one(tmp_path, capfd):\n    (tmp_path / 'a').write_text('a')\n"
    (world.workspace / "test_one.py").write_text(test)

    ended = world.run(
        [python(user), "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        env={"PYTHONPATH": str(libraries)},
        readable=[libraries],
    )

    assert "1 passed" in ended.said, ended


@INSIDE
def test_git_keeps_history(rung: Rung, user: int, make_world: Any) -> None:
    needs("git")
    world = make_world(rung, user)
    script = """
    git init -q . && git config user.name A && git config user.email a@b.c
    echo one > file && git add file && git commit -qm first
    git checkout -qb other && echo two >> file && git commit -qam second
    git checkout -q - && git merge -q other && git log --format=%s && git status --short file
    git gc -q && git clone -q . ../workspace/cloned && git -C cloned log --format=%an -1
    """

    ended = bash(world, script)

    assert ended.said.split() == ["second", "first", "A"], ended


@INSIDE
def test_node_runs(rung: Rung, user: int, make_world: Any) -> None:
    needs("node")
    program = """
    const {execFileSync, spawn} = require('child_process'), fs = require('fs'), os = require('os');
    fs.writeFileSync('kept', 'kept');
    console.log(os.cpus().length > 0, execFileSync('cat', ['kept']).toString());
    spawn('echo', ['child'], {stdio: 'inherit'});
    """

    ended = make_world(rung, user).run(["node", "-e", program])

    assert ended.said.split() == ["true", "kept", "child"], ended


@INSIDE
def test_a_compiler_makes_a_program_that_runs(rung: Rung, user: int, make_world: Any) -> None:
    needs("gcc")
    script = r"""
    printf '#include <stdio.h>\nint main(void) { return puts("made") < 0; }\n' > made.c
    gcc -O1 made.c -o made && ./made
    """

    ended = bash(make_world(rung, user), script)

    assert ended.said == "made\n", ended


@INSIDE
def test_what_asks_for_the_network_ends_soon_with_an_error(
    rung: Rung, user: int, make_world: Any
) -> None:
    world = make_world(rung, user)
    program = "import urllib.request as u; u.urlopen('https://example.com', timeout=20)"

    ended = world.run([python(user), "-c", program])

    assert ended.status == 1
    assert "URLError" in ended.said


@INSIDE
def test_what_a_program_left_unreadable_is_removed(rung: Rung, user: int, make_world: Any) -> None:
    world = make_world(rung, user)
    script = (
        'mkdir -p "$TMPDIR/a/b" && touch "$TMPDIR/a/b/c" && chmod 0 "$TMPDIR/a" && echo "$TMPDIR"'
    )
    before = {p for p in Path("/tmp").glob("assay-*") if p.name.count("-") == 1}

    ended = bash(world, script)

    assert ended.status == 0, ended
    after = {p for p in Path("/tmp").glob("assay-*") if p.name.count("-") == 1}
    assert [p for p in after - before if _holds(p, user)] == []


def _holds(folder: Path, user: int) -> bool:
    """What the program left; others come and go in the same place meanwhile."""
    try:
        return folder.stat().st_uid == user and (folder / "a").exists()
    except FileNotFoundError:
        return False
