"""Servers in processes of their own: ours as `assay serve`, and the floor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent.parent
NAME = "Starlette + LangGraph, sync, FULL"

_FUNCTIONS = "async def noop():\n    return 1\n"
_RATE = "1000000/minute"
"""Requests are counted, and never too many."""


@dataclass(frozen=True, slots=True)
class Host:
    """A server that answers at a port of this machine."""

    name: str
    port: int
    key: str
    pid: int

    @property
    def spent(self) -> float:
        """Seconds of processor time, of all its threads."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    @property
    def resident(self) -> int:
        """Bytes of memory."""
        return int(psutil.Process(self.pid).memory_info().rss)


@contextmanager
def ours(folder: Path) -> Iterator[Host]:
    """As its users have it: a key is needed, requests are counted, every step is durable."""
    environ = functions(folder)
    made = subprocess.run(
        [sys.executable, "-m", "assay", "keys", "create", "bench", "--role", "admin"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"assay_\S+", made.stdout)
    assert found is not None, made.stdout
    command = ["-m", "assay", "serve", "--port", "0", "--grace", "0"]
    with _process(command, folder, environ) as (process, line):
        yield Host("Assay", int(re.findall(r":(\d+)", line)[0]), found[0], process.pid)


@contextmanager
def floor(folder: Path) -> Iterator[Host]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    with _process(["-m", "sides.floor", str(folder)], HERE, environ) as (process, line):
        yield Host(NAME, int(line), "", process.pid)


def functions(folder: Path) -> Mapping[str, str]:
    """Surroundings in which a `python` step can call `noop`, as an installed package's."""
    about = folder / "functions" / "bench-1.dist-info"
    about.mkdir(parents=True)
    (about.parent / "bench_functions.py").write_text(_FUNCTIONS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[assay.functions]\nnoop = bench_functions:noop\n")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(about.parent), *sys.path]),
        "ASSAY_HOME": str(folder / "home"),
        "ASSAY_RATE": _RATE,
        "ASSAY_ADDRESS_RATE": _RATE,
    }


@contextmanager
def _process(
    words: list[str], folder: Path, environ: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, *words]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{' '.join(command)} ended with {process.wait()}")
            yield process, line
        finally:
            process.kill()
