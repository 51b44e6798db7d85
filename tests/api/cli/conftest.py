"""A folder with local state of its own, and the command in a process of its own or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.api.cli import main

COMMAND = (sys.executable, "-c", "from assay.api.cli import main; main()")

Assay = Callable[..., subprocess.CompletedProcess[str]]


class Told(NamedTuple):
    """What a command told: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Tell = Callable[..., Told]


class Background:
    """A command that goes on while the test does something else."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def until(self, end: str) -> str:
        """Wait for a line that ends so; returns it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self.lines[-1].endswith(end):
                return self.lines[-1]
        raise AssertionError(f"no line ends with {end!r}: {self.lines}")

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        out, err = self.process.communicate(timeout=60)
        self.lines += out.splitlines()
        assert "Traceback" not in err
        return self.process.returncode

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()

    @property
    def id(self) -> str:
        """The execution's id, as the first line says it."""
        return self.lines[0].rpartition(" ")[2]


Begin = Callable[..., Background]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty, with no setting of the machine's in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("ASSAY_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def assay(desk: Path) -> Assay:
    """Runs the command to its end, away from any terminal."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=desk,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def tell(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs the command in this process, which is quicker."""

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["assay", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Told(ended.value.code, out, err)

    return run


@pytest.fixture
def begin(desk: Path) -> Iterator[Begin]:
    """Begins commands, away from any terminal; those that still run at the end are killed."""
    begun: list[Background] = []

    def run(*arguments: str) -> Background:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=desk,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(Background(process))
        return begun[-1]

    yield run
    for one in begun:
        if one.process.poll() is None:
            one.kill()
        else:
            one.process.communicate()


@pytest.fixture
def command() -> tuple[str, ...]:
    """How the command is started."""
    return COMMAND
