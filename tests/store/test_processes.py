"""Several processes at one database, and one that is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from assay.store.connect import connect

pytestmark = pytest.mark.anyio

COMMITTER = Path(__file__).with_name("committer.py")


async def committer(
    url: str, execution_id: str, *, callers: int, commits: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        COMMITTER,
        url,
        execution_id,
        str(callers),
        str(commits),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("kill_after", [1, 300, 700])
async def test_killing_the_process_loses_nothing_that_was_acknowledged(
    tmp_path: Path, kill_after: int
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    process = await committer(url, "e", callers=40, commits=1000)
    assert await line(process) == "ready"
    acknowledged = {int(await line(process)) for _ in range(kill_after)}
    process.kill()
    output, errors = await process.communicate()
    acknowledged |= {int(number) for number in output.split(b"\n")[:-1]}
    assert errors == b""
    assert kill_after <= len(acknowledged) < 1000, "it was killed in the middle"

    store = await connect(url)
    try:
        history = await store.history("e")
        kept = {result.seq for result in history.results.values()}
        assert acknowledged <= kept
        # What was not acknowledged is there as a whole or not at all.
        paths = {f"step[{number}]" for number in kept}
        assert {path for path, _ in history.decisions} == paths
        assert {e.path for e in (await store.events("e")).items} == paths
    finally:
        await store.close()


async def test_two_processes_write_and_a_third_reads_at_the_same_time(tmp_path: Path) -> None:
    """And all of them begin while there is no database yet."""
    url = f"sqlite:///{tmp_path}/new/store.db"
    writers = [await committer(url, name, callers=5, commits=400) for name in ("e1", "e2")]
    store = await connect(url)
    try:
        reading = True

        async def read() -> int:
            most = 0
            while reading:
                for execution in (await store.executions()).items:
                    seen = len((await store.history(execution.id)).results)
                    most = max(most, seen)
            return most

        reader = asyncio.ensure_future(read())
        outcomes = await asyncio.gather(*(writer.communicate() for writer in writers))
        reading = False
        assert await reader > 0
        assert [writer.returncode for writer in writers] == [0, 0], outcomes
        for name in ("e1", "e2"):
            history = await store.history(name)
            assert [r.seq for r in history.results.values()] == list(range(1, 401))
    finally:
        await store.close()


async def test_many_processes_may_make_the_same_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    names = [f"e{number}" for number in range(6)]
    writers = [await committer(url, name, callers=1, commits=1) for name in names]
    outcomes = await asyncio.gather(*(writer.communicate() for writer in writers))
    assert [output for output, _ in outcomes] == [b"ready\n1\n"] * len(names), outcomes
    store = await connect(url)
    try:
        assert [e.id for e in (await store.executions()).items] == names[::-1]
    finally:
        await store.close()
