"""Values of any size and content reach a placed command."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import Terminal
from assay.graphs.shell import Invocation, invocation, place

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024


def run(ready: Invocation, **env: str) -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **env, **ready.env}
    return subprocess.run(ready.argv, env=env, capture_output=True, timeout=60)


def test_a_small_value_travels_in_the_environment(tmp_path: Path) -> None:
    ready = invocation(place(["echo ", 0]), ["a b"], step_id="build", directory=tmp_path)
    assert ready.argv == (
        *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"),
        *('echo "${ASSAY_0}"', "build"),
    )
    assert ready.env == {"ASSAY_0": "a b"}
    assert ready.files == ()


def test_ten_megabytes_arrive_byte_for_byte(tmp_path: Path) -> None:
    """Control characters, every kind of quote and trailing newlines included."""
    unit = "".join(map(chr, range(1, 256))) + "世界\U0001f600 $(x) `y` '\"\\\n"
    value = unit * (10 * KIB * KIB // len(unit.encode())) + "\n\n\n"
    ready = invocation(
        place(["printf %s ", 0, "| sha256sum"]), [value], step_id="s", directory=tmp_path
    )
    assert ready.env == {}
    assert run(ready).stdout.split()[0].decode() == hashlib.sha256(value.encode()).hexdigest()


def test_a_large_value_stays_out_of_other_programs(tmp_path: Path) -> None:
    """Even when the environment has an exported variable of that name already."""
    value = "x" * 200 * KIB
    ready = invocation(
        place(["printenv 'ASSAY'_0 || echo none; V=", 0, "; echo ${#V}"]),
        [value],
        step_id="s",
        directory=tmp_path,
    )
    assert run(ready, ASSAY_0="outer").stdout == f"none\n{len(value)}\n".encode()


def test_the_file_of_a_large_value_is_private(tmp_path: Path) -> None:
    ready = invocation(place([": ", 0]), ["x" * 65 * KIB], step_id="s", directory=tmp_path)
    (file,) = ready.files
    assert file.parent == tmp_path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("size", "files"), [(64 * KIB, 0), (64 * KIB + 1, 1)])
def test_a_value_over_64_kib_travels_in_a_file(size: int, files: int, tmp_path: Path) -> None:
    ready = invocation(
        place([": ", 0]), ["é" * (size // 2) + "x" * (size % 2)], step_id="s", directory=tmp_path
    )
    assert len(ready.files) == files
    assert run(ready).returncode == 0


def test_values_over_512_kib_in_total_travel_in_files_largest_first(tmp_path: Path) -> None:
    parts: list[str | int] = ["echo"]
    for number in range(12):
        parts += [" ", number]
    values = ["x" * (40 * KIB + number) for number in range(12)] + ["y" * 60 * KIB]
    parts += [" ", 12]
    ready = invocation(place(parts), values, step_id="s", directory=tmp_path)
    assert sum(map(len, ready.env.values())) <= 512 * KIB
    assert "ASSAY_12" not in ready.env
    assert len(ready.files) == 1
    assert run(ready).stdout == (" ".join(values) + "\n").encode()


def test_reading_a_file_changes_nothing_else(tmp_path: Path) -> None:
    """`$?`, line numbers in messages, `$0` and IFS are as without it."""
    script = 'echo "$? $0 $LINENO"\nprintf %q "$IFS"\nno_such_command '
    ready = invocation(place([script, 0]), ["x" * 65 * KIB], step_id="build", directory=tmp_path)
    done = run(ready)
    assert done.stdout == b"0 build 1\n$' \\t\\n'"
    assert done.stderr == b"build: line 3: no_such_command: command not found\n"
    assert done.returncode == 127


def test_a_lost_file_ends_the_command(tmp_path: Path) -> None:
    ready = invocation(place(["echo ran ", 0]), ["x" * 65 * KIB], step_id="s", directory=tmp_path)
    ready.files[0].unlink()
    done = run(ready)
    assert done.returncode != 0
    assert done.stdout == b""


def test_an_odd_folder_is_no_program_text(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch pwned) \"\n"
    folder.mkdir()
    ready = invocation(
        place(["printf %s ", 0, " | wc -c"]), ["x" * 65 * KIB], step_id="s", directory=folder
    )
    assert run(ready).stdout.split() == [b"66560"]
    assert os.listdir(tmp_path) == [folder.name]


def test_a_command_stops_at_its_first_failing_line(tmp_path: Path) -> None:
    ready = invocation(place(["false | cat\necho ", 0]), ["a"], step_id="s", directory=tmp_path)
    assert run(ready).stdout == b""


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x\udcff"])
def test_a_value_that_is_no_text_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="value 1 of the command"):
        invocation(place(["echo ", 0, 1]), ["", value], step_id="s", directory=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_refused_placement_is_never_made_ready(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="misplaced"):
        invocation(place(["eval ", 0]), ["a"], step_id="s", directory=tmp_path)


def test_values_are_not_shown_with_their_invocation(tmp_path: Path) -> None:
    ready = invocation(place(["echo ", 0]), ["s3cret"], step_id="s", directory=tmp_path)
    assert "s3cret" not in repr(ready)
