"""Several processes at one database, and one that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.stored import begun, entry, journal, parked

from assay.graphs.errors import LeaseLost
from assay.graphs.execution import Status
from assay.graphs.firing import firing_id
from assay.graphs.stored import Commit
from assay.store.connect import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

COMMITTER = Path(__file__).with_name("committer.py")
FIRER = Path(__file__).with_name("firer.py")
Process = asyncio.subprocess.Process


async def committer(url: str, execution_id: str, *how: str, callers: int, commits: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        COMMITTER,
        url,
        execution_id,
        str(callers),
        str(commits),
        *how,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await connect(url)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def fallen_asleep(url: str) -> AsyncIterator[Process]:
    """A process that holds the lease of `e`, and is alive though it does nothing at all."""
    process = await committer(url, "e", "wait", callers=1, commits=1)
    try:
        assert await line(process) == "ready"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def kept(store: Store) -> set[int]:
    """The commits that are there; each as a whole or not at all."""
    numbers = {each.last for each in await journal(store, "e")}
    questions = (await store.questions(limit=10_000)).items
    assert {int(q.id.split(".")[1]) for q in questions} == numbers
    files = (await store.artifacts(limit=10_000)).items
    assert {a.size for a in files} == numbers
    return numbers


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
    async with opened(url) as store:
        assert acknowledged <= await kept(store)


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_process_that_dies_at_a_commit_has_it_or_has_it_not(
    tmp_path: Path, place: str
) -> None:
    """Its first commit begins the execution."""
    url = f"sqlite:///{tmp_path}/store.db"
    process = await committer(url, "e", f"{place} 5", callers=1, commits=10)
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (-signal.SIGKILL, b"")
    assert output.split() == [b"ready", b"1", b"2", b"3"]
    async with opened(url) as store:
        assert await kept(store) == ({1, 2, 3} if place == "before" else {1, 2, 3, 4})


async def test_a_firing_has_one_execution_however_many_processes_put_it_and_die(
    tmp_path: Path,
) -> None:
    url, count = f"sqlite:///{tmp_path}/store.db", 500
    pipe = asyncio.subprocess.PIPE
    dies: dict[str, list[str]] = {"a": ["100"], "b": [], "c": []}
    firers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            FIRER,
            *(url, name, str(count), *last),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
        for name, last in dies.items()
    ]
    for firer in firers:
        assert await line(firer) == "ready"
    for firer in firers:
        assert firer.stdin is not None
        firer.stdin.write(b"\n")
    said = {}
    for name, firer in zip("abc", firers, strict=True):
        output, errors = await firer.communicate()
        assert errors == b""
        said[name] = output.decode().split("\n")[:-1]
    assert [firer.returncode for firer in firers] == [-signal.SIGKILL, 0, 0]
    async with opened(url) as store:
        for number in range(count):
            id = (await store.firing(firing_id("t", str(number)))).execution_id
            told = [f"{name}-{number}" for name in "abc" if str(number) in said[name]]
            assert told in ([id], []), "what was told is what is kept"
            assert told or id.startswith("a"), "only the one that died could not tell"


# Takeover


async def test_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as store, fallen_asleep(url) as process:
        holder = await store.holder("e")
        assert holder not in (None, store.worker)
        assert await store.claim("e", store.worker) is None
        process.kill()
        await process.wait()
        assert await store.holder("e") is None
        assert await store.ready(store.worker, now=0) == ["e"]
        lease = await store.claim("e", store.worker)
        assert lease is not None
        assert lease.epoch == 2
        await store.commit(Commit(lease, entry(1_000_000)))


async def test_a_live_process_is_not_taken_over_however_long_it_sleeps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as store, fallen_asleep(url):
        for now in (0.0, 1e12):  # whatever the clock says
            assert await store.ready(store.worker, now=now) == []
        assert await store.claim("e", store.worker) is None


async def test_a_process_that_wakes_up_too_late_writes_nothing(tmp_path: Path) -> None:
    """Its lease is taken by force here, as if its lock had been lost."""
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as store, fallen_asleep(url) as process:
        for file in (tmp_path / "store.db-workers").iterdir():
            if file.name != store.worker:
                file.unlink()
        lease = await store.claim("e", store.worker)
        assert lease is not None
        process.send_signal(signal.SIGCONT)
        _, errors = await process.communicate(b"go on\n")
        assert process.returncode == 1
        assert b"LeaseLost" in errors
        assert await kept(store) == set()


async def test_what_a_process_started_does_not_keep_its_worker_alive(tmp_path: Path) -> None:
    """Neither a program that it runs nor a fork of itself."""
    url = f"sqlite:///{tmp_path}/store.db"
    script = f"""
import asyncio, os, subprocess, time
from assay.graphs.execution import Execution, Status
from assay.store.connect import connect
async def main():
    store = await connect({url!r})
    await store.create(Execution("e", "w", "1", "d", Status.RUNNING), [], store.worker)
    program = subprocess.Popen(["sleep", "1000"], close_fds=False, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    fork = os.fork()
    if not fork:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        time.sleep(1000)
    print(program.pid, fork, flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", script, stdout=asyncio.subprocess.PIPE
    )
    children = [int(pid) for pid in (await line(process)).split()]
    try:
        async with opened(url) as store:
            assert await store.claim("e", store.worker) is None
            process.kill()
            await process.wait()
            for child in children:
                os.kill(child, 0)  # alive
            assert await store.claim("e", store.worker)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


# Several at work


async def test_two_processes_write_and_a_third_reads_at_the_same_time(tmp_path: Path) -> None:
    """And all of them begin while there is no database yet."""
    url = f"sqlite:///{tmp_path}/new/store.db"
    writers = [await committer(url, name, callers=5, commits=400) for name in ("e1", "e2")]
    async with opened(url) as store:
        reading = True

        async def read() -> int:
            most = 0
            while reading:
                for execution in (await store.executions()).items:
                    numbers = [each.last for each in await journal(store, execution.id)]
                    assert sorted(numbers) == numbers
                    most = max(most, len(numbers))
            return most

        reader = asyncio.ensure_future(read())
        outcomes = await asyncio.gather(*(writer.communicate() for writer in writers))
        reading = False
        assert await reader > 0
        assert [writer.returncode for writer in writers] == [0, 0], outcomes
        for name in ("e1", "e2"):
            assert [each.last for each in await journal(store, name)] == list(range(1, 401))


async def test_many_processes_may_make_the_same_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    names = [f"e{number}" for number in range(6)]
    writers = [await committer(url, name, callers=1, commits=1) for name in names]
    outcomes = await asyncio.gather(*(writer.communicate() for writer in writers))
    assert [output for output, _ in outcomes] == [b"ready\n1\n"] * len(names), outcomes
    async with opened(url) as store:
        assert [e.id for e in (await store.executions()).items] == names[::-1]


async def test_stores_in_one_process_are_workers_of_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as one, opened(url) as other:
        assert one.worker != other.worker
        of, lease = await begun(one, "e")
        assert await other.claim(of.id, other.worker) is None
        await parked(other, "waiting", status=Status.WAITING)
        assert await one.claim("waiting", one.worker)
        await one.close()
        assert await other.claim(of.id, other.worker)
        async with opened(url) as third:
            with pytest.raises(LeaseLost):
                await third.commit(Commit(lease, entry(1)))
