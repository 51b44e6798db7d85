"""Running programs: their output, their bounds, and that nothing of them is left behind."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from assay.graphs import processes
from assay.graphs.errors import LimitReached, PanicError, Terminal
from assay.graphs.processes import Finished, Stream, run_process

pytestmark = pytest.mark.anyio

ENV: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


async def bash(script: str, cwd: Path, stdin: bytes | None = None) -> Finished:
    return await run_process(["bash", "-c", script], cwd=cwd, env=ENV, stdin=stdin)


def alive(pid: int) -> bool:
    """Whether a process still runs; a dead one that nobody reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Started:
    """A script under way; `pids` are the numbers it has printed, one a line."""

    def __init__(self, script: str, cwd: Path, expected: int) -> None:
        self.pids: list[int] = []
        self.ready = asyncio.Event()
        self.expected = expected
        self.text = b""
        self.task = asyncio.ensure_future(
            run_process(["bash", "-c", script], cwd=cwd, env=ENV, on_output=self.heard)
        )

    def heard(self, stream: Stream, chunk: bytes) -> None:
        self.text += chunk
        self.pids = [int(line) for line in self.text.splitlines()]
        if len(self.pids) >= self.expected:
            self.ready.set()

    async def cancel(self) -> None:
        await asyncio.wait_for(self.ready.wait(), 60)
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def test_both_streams_and_the_status_are_given_back(tmp_path: Path) -> None:
    finished = await bash("printf out; printf err >&2; exit 7", tmp_path)

    assert finished == Finished(7, b"out", b"err")


async def test_a_program_that_was_ended_by_a_signal_has_a_negative_status(tmp_path: Path) -> None:
    finished = await bash("kill -TERM $$", tmp_path)

    assert finished.exit_status == -signal.SIGTERM


async def test_a_program_reads_nothing_unless_it_is_fed(tmp_path: Path) -> None:
    assert (await bash("cat", tmp_path)).stdout == b""
    assert (await bash("cat", tmp_path, b"fed")).stdout == b"fed"


async def test_a_program_that_does_not_read_what_it_is_fed_ends_all_the_same(
    tmp_path: Path,
) -> None:
    finished = await bash("exit 0", tmp_path, b"x" * 1_000_000)

    assert finished.exit_status == 0


async def test_both_streams_may_be_large_at_once(tmp_path: Path) -> None:
    script = "head -c 1000000 /dev/zero >&2 & head -c 1000000 /dev/zero; wait"

    finished = await bash(script, tmp_path)

    assert (len(finished.stdout), len(finished.stderr)) == (1_000_000, 1_000_000)


async def test_output_is_heard_as_it_is_written(tmp_path: Path) -> None:
    started = Started("echo $$; read -r never < <(sleep 600)", tmp_path, 1)

    await asyncio.wait_for(started.ready.wait(), 60)

    assert not started.task.done()
    await started.cancel()


async def test_a_program_has_the_given_environment_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")

    finished = await run_process(["env"], cwd=tmp_path, env={**ENV, "GIVEN": "y"})

    assert set(finished.stdout.decode().splitlines()) == {f"PATH={ENV['PATH']}", "GIVEN=y"}


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="could not start 'no-such-program'"):
        await run_process(["no-such-program"], cwd=tmp_path, env=ENV)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="nowhere"):
        await bash("true", tmp_path / "nowhere")


async def test_a_program_that_writes_without_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "OUTPUT_LIMIT", 1024 * 1024)
    script = f"echo $$ > {tmp_path}/pid; exec yes"

    with pytest.raises(LimitReached, match="more than 1 MiB to stdout"):
        await asyncio.wait_for(bash(script, tmp_path), 60)

    assert not alive(int((tmp_path / "pid").read_text()))


async def test_cancelling_ends_children_and_grandchildren(tmp_path: Path) -> None:
    started = Started(
        "echo $$; bash -c 'echo $$; sleep 600 & echo $!; wait' & wait", tmp_path, expected=3
    )

    await started.cancel()

    assert len(started.pids) == 3
    assert [pid for pid in started.pids if alive(pid)] == []


async def test_a_child_that_ignores_term_is_killed_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    script = "bash -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait"
    started = Started(script, tmp_path, expected=1)

    await started.cancel()

    assert not alive(started.pids[0])


async def test_a_program_that_ends_in_its_own_time_after_term_is_let_to(tmp_path: Path) -> None:
    script = "trap 'echo tidy > tidied; exit' TERM; echo $$; while :; do sleep 0.01; done"
    started = Started(script, tmp_path, expected=1)

    await started.cancel()

    assert (tmp_path / "tidied").read_text() == "tidy\n"


async def test_what_a_program_leaves_running_is_ended_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LINGER", 60)

    finished = await asyncio.wait_for(bash("sleep 600 & echo $!", tmp_path), 60)

    assert finished.exit_status == 0
    assert not alive(int(finished.stdout))


async def test_a_second_cancellation_does_not_leave_anything_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.2)
    others = asyncio.all_tasks()
    started = Started("trap '' TERM; echo $$; while :; do sleep 0.01; done", tmp_path, 1)
    await asyncio.wait_for(started.ready.wait(), 60)

    started.task.cancel()
    await asyncio.sleep(0)
    started.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await started.task
    assert alive(started.pids[0])

    await asyncio.wait_for(asyncio.gather(*(asyncio.all_tasks() - others)), 60)
    assert not alive(started.pids[0])


async def test_a_daemon_that_left_the_group_does_not_hold_the_program_up(tmp_path: Path) -> None:
    leaving = "setsid bash -c 'echo $$; touch left; exec sleep 600'"
    script = f"{leaving} & until [ -e left ]; do sleep 0.01; done"

    finished = await asyncio.wait_for(bash(script, tmp_path), 60)

    daemon = psutil.Process(int(finished.stdout))
    daemon.kill()
    assert finished.exit_status == 0


async def test_cancelling_while_a_program_starts_leaves_nothing_running(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >{pids}; bash -c 'echo $$ >>{pids}; sleep 600; true'; true"
    task = asyncio.ensure_future(bash(script, tmp_path))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    while not pids.exists() or len(pids.read_text().split()) < 2:
        pass  # The loop must not turn, or the start would be over.

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [pid for pid in map(int, pids.read_text().split()) if alive(pid)] == []


async def test_a_grandchild_whose_parent_is_gone_is_ended_with_the_program(tmp_path: Path) -> None:
    finished = await asyncio.wait_for(bash("(sleep 600 & echo $!) & wait", tmp_path), 60)

    assert not alive(int(finished.stdout))


async def test_the_dead_that_nobody_reaps_do_not_hold_the_program_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child in the program's group is dead, and its parent, outside of it, does not care."""
    monkeypatch.setattr(processes, "GRACE", 60)
    careless = """
import os, sys, time
if os.fork() == 0:
    if dead := os.fork():
        os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
        os.setsid()
        for stream in (1, 2):
            os.close(stream)
        with open("pids", "w") as file:
            print(os.getpid(), dead, file=file)
        time.sleep(600)
    os._exit(0)
while not os.path.exists("pids"):
    time.sleep(0.01)
"""
    argv = [sys.executable, "-I", "-S", "-c", careless]

    finished = await asyncio.wait_for(run_process(argv, cwd=tmp_path, env=ENV), 60)

    parent, dead = map(int, (tmp_path / "pids").read_text().split())
    assert psutil.Process(dead).status() == psutil.STATUS_ZOMBIE
    psutil.Process(parent).kill()
    assert finished.exit_status == 0


@pytest.mark.parametrize("handles", [True, False], ids=["with pidfd", "without"])
async def test_the_leader_is_not_reaped_before_its_group_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handles: bool
) -> None:
    """Or its number, to which the group's signals go, could be somebody else's by then."""
    if not handles:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    script = """
        leader=$$
        tell() { cut -d " " -f 3 /proc/$leader/stat > state; exit; }
        (trap tell TERM; touch ready; while :; do sleep 0.01; done) &
        until [ -e ready ]; do sleep 0.01; done
    """

    finished = await asyncio.wait_for(bash(script, tmp_path), 60)

    assert finished.exit_status == 0
    assert (tmp_path / "state").read_text() == "Z\n"


async def test_a_status_that_was_lost_is_never_taken_for_success(tmp_path: Path) -> None:
    """Children of a process that ignores SIGCHLD are reaped by the kernel."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(Terminal, match="SIGCHLD"):
            await asyncio.wait_for(bash("exit 1", tmp_path), 60)
    finally:
        signal.signal(signal.SIGCHLD, before)


async def test_a_machine_without_room_for_a_process_is_not_the_steps_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)

    with pytest.raises(PanicError, match="out of processes"):
        await bash("true", tmp_path)


async def test_what_the_listener_raises_ends_the_program(tmp_path: Path) -> None:
    def refuse(stream: Stream, chunk: bytes) -> None:
        raise ValueError(chunk.decode())

    running = run_process(
        ["bash", "-c", "echo $$; exec sleep 600"], cwd=tmp_path, env=ENV, on_output=refuse
    )
    with pytest.raises(ValueError, match=r"\d") as raised:
        await asyncio.wait_for(running, 60)

    assert not alive(int(str(raised.value)))


async def test_nothing_stays_open(tmp_path: Path) -> None:
    await bash("true", tmp_path)
    before = psutil.Process().num_fds()

    await bash("cat; setsid sleep 0.2 &", tmp_path, b"fed")
    with pytest.raises(Terminal):
        await bash("true", tmp_path / "nowhere")
    await Started("echo $$; sleep 600", tmp_path, 1).cancel()

    assert psutil.Process().num_fds() == before


def test_a_loop_that_closes_while_a_program_is_being_ended_kills_it_at_once(tmp_path: Path) -> None:
    """Cancelled twice, nobody waits for the end any more, and the loop does not either."""
    script = f"""
import asyncio, pathlib
from assay.graphs.processes import run_process

async def main():
    heard = asyncio.Event()
    def say(_, chunk):
        print(chunk.decode(), end="")
        heard.set()
    argv = ["bash", "-c", "trap '' TERM; echo $$; while :; do sleep 0.01; done"]
    running = asyncio.ensure_future(
        run_process(argv, cwd=pathlib.Path(), env={dict(ENV)!r}, on_output=say)
    )
    await heard.wait()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()

asyncio.run(main())
"""
    host = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )

    assert not alive(int(host.stdout))
