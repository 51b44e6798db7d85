"""Durable peers, each in a process of its own Python; without them a benchmark runs as well.

`BENCH_PEERS` names a Python that has them installed. A peer's script gets a folder, the name
of the work and how many at once; for each line it reads it does the work and prints seconds.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .rounds import Run, Side

PYTHON = os.environ.get("BENCH_PEERS")
HERE = Path(__file__).parent
PEERS = {
    "dbos": "DBOS, SQLite, rollback journal, FULL",
    "burr": "Burr, AsyncSQLitePersister, FULL",
}


def sides(at_once: int = 1) -> list[Side]:
    """The peers that are installed, doing chains of 10 no-op steps."""
    return [_side(name, at_once) for name in PEERS if _installed(name)]


def missing() -> list[str]:
    """A line for the foot of the table, if a peer is not in it."""
    absent = [name for name in PEERS if not _installed(name)]
    why = "not installed for BENCH_PEERS" if PYTHON else "BENCH_PEERS is not set, see README.md"
    return [f"Without {', '.join(absent)}: {why}."] if absent else []


def _installed(name: str) -> bool:
    if PYTHON is None:
        return False
    found = subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True, check=False)
    return found.returncode == 0


def _side(peer: str, at_once: int) -> Side:
    @asynccontextmanager
    async def open(folder: Path) -> AsyncIterator[Run]:
        script = HERE / f"peer_{peer}.py"
        process = await asyncio.create_subprocess_exec(
            str(PYTHON), str(script), str(folder), str(at_once), stdin=PIPE, stdout=PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        write, read = process.stdin, process.stdout

        async def run() -> float:
            write.write(b"\n")
            return float(await read.readline())

        try:
            yield run
        finally:
            write.close()
            await process.wait()

    return Side(PEERS[peer], open)
