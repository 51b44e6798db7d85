"""Real processes kept within their limits, however slow the machine."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from assay.graphs import cgroup, processes, processtree, watch
from assay.graphs.errors import LimitReached
from assay.graphs.limits import Cpu, Limits, Memory
from assay.graphs.processes import Finished, run_process
from assay.graphs.workflow import ResourceLimits

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
PATIENCE = 60

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

needs_proc = pytest.mark.skipif(not processtree.visible(), reason="needs /proc to look at")

HOLD = "import time; held = bytearray({mib} << 20); print('held', flush=True); time.sleep(60)"
"""Python that holds so much memory for a minute: every byte of it is zeroed, so it is there."""


async def python(program: str, limits: Limits, cwd: Path, *arguments: str) -> Finished:
    argv = [sys.executable, "-I", "-S", "-c", program, *arguments]
    running = run_process(argv, cwd=cwd, env={"PATH": os.defpath}, limits=limits)
    return await asyncio.wait_for(running, PATIENCE)


def memory(mib: int) -> Limits:
    return Limits(memory=Memory(mib * MIB))


def living(pids: Sequence[int]) -> list[int]:
    """Those of them that still run; a dead one that nobody reaped does not."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


async def until(path: Path) -> str:
    """What a program writes into a file, as soon as there is something."""
    async with asyncio.timeout(PATIENCE):
        while not path.exists() or not (text := path.read_text()):  # noqa: ASYNC110 - a program's
            await asyncio.sleep(0.01)
    return text


@needs_proc
async def test_a_program_over_its_memory_is_ended_and_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(LimitReached) as refused:
        await python(HOLD.format(mib=200), memory(100), tmp_path)

    message = refused.value.message
    assert "over its `resource_limits.memory` of 100MiB" in message
    assert "raise the limit" in message


@needs_proc
async def test_a_program_under_its_memory_runs_unharmed(tmp_path: Path) -> None:
    program = "import time; held = bytearray(20 << 20); time.sleep(0.3); print('done')"

    finished = await python(program, memory(100), tmp_path)

    assert finished == Finished(0, b"done\n", b"")


@needs_proc
async def test_the_memory_of_a_tree_is_counted_together(tmp_path: Path) -> None:
    """Each of the two is under the limit, and one of them has left the session."""
    program = f"""
import subprocess, sys
argv = [sys.executable, "-I", "-S", "-c", "input(); " + {HOLD.format(mib=60)!r}]
children = [
    subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=leaves)
    for leaves in (False, True)
]
with open("pids", "w") as file:
    print(*(child.pid for child in children), file=file)
for child in children:
    child.stdin.write(b"go")
    child.stdin.close()
for child in children:
    child.wait()
"""
    with pytest.raises(LimitReached):
        await python(program, memory(100), tmp_path)

    assert living([int(pid) for pid in (tmp_path / "pids").read_text().split()]) == []


@needs_proc
async def test_what_processes_share_is_counted_once(tmp_path: Path) -> None:
    program = """
import os, time
held = bytearray(50 << 20)
children = [pid for _ in range(4) if (pid := os.fork()) or time.sleep(0.5) or os._exit(0)]
for child in children:
    os.waitpid(child, 0)
print("done")
"""
    finished = await python(program, memory(150), tmp_path)

    assert finished.stdout == b"done\n"


@needs_proc
async def test_the_steps_of_a_workflow_share_its_limit_and_the_largest_is_ended(
    tmp_path: Path,
) -> None:
    shared = Limits.of_workflow(ResourceLimits(memory="150MiB"))  # type: ignore[arg-type]
    waits = """
import pathlib, time
held = bytearray(60 << 20)
pathlib.Path("small").write_text("ready")
while not pathlib.Path("go").exists():
    time.sleep(0.01)
print("done")
"""
    small = asyncio.ensure_future(python(waits, shared.narrowed(None), tmp_path))
    await until(tmp_path / "small")

    with pytest.raises(LimitReached, match=r"the workflow's processes .* the largest, were ended"):
        await python(HOLD.format(mib=110), shared.narrowed(None), tmp_path)

    (tmp_path / "go").touch()
    assert (await small).stdout == b"done\n"
    assert shared.memory is not None
    assert shared.memory.room("whoever comes next") == 150 * MIB


@needs_proc
async def test_a_busy_program_keeps_to_its_share(tmp_path: Path) -> None:
    """It measures itself, its child included: CPU time over the time that has passed."""
    program = """
import os, time
began = time.monotonic()
child = os.fork()
while time.monotonic() - began < 2:
    pass
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
used = os.times()
spent = used.user + used.system + used.children_user + used.children_system
print(spent / (time.monotonic() - began))
"""
    finished = await python(program, Limits(cpu=Cpu(0.3)), tmp_path)

    assert 0.02 < float(finished.stdout) < 0.6


@needs_proc
async def test_a_program_that_waits_for_its_share_still_ends_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it is stopped, for ever by its share, it goes on and hears of it."""
    monkeypatch.setattr(processes, "GRACE", PATIENCE)
    program = """
import os, pathlib, signal, sys
def tidy(*_):
    pathlib.Path("tidied").touch()
    sys.exit()
signal.signal(signal.SIGTERM, tidy)
pathlib.Path("pid").write_text(str(os.getpid()))
while True:
    pass
"""
    noted, minutes = tmp_path / "pid", itertools.count(step=60)

    def clock() -> float:
        """Minutes at a look until the program listens, so that it comes so far; then it stands."""
        return 0.0 if noted.exists() else float(next(minutes))

    running = asyncio.ensure_future(python(program, Limits(cpu=Cpu(0.5, clock)), tmp_path))
    process = psutil.Process(int(await until(noted)))
    async with asyncio.timeout(PATIENCE):
        while process.status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - the kernel's
            await asyncio.sleep(0.01)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, PATIENCE)

    assert (tmp_path / "tidied").exists()


needs_cores = pytest.mark.skipif(
    len(CORES) < 2 or cgroup.usable() is not None,
    reason="needs two cores to choose from, and no cgroups, which make it needless",
)


@needs_cores
async def test_a_program_sees_as_many_cores_as_it_may_use(tmp_path: Path) -> None:
    program = "import os; print(*os.sched_getaffinity(0))"

    one = await python(program, Limits(cpu=Cpu(0.5)), tmp_path)
    all_of_them = await python(program, Limits(cpu=Cpu(len(CORES))), tmp_path)

    assert len(one.stdout.split()) == 1
    assert set(map(int, all_of_them.stdout.split())) == CORES
    assert os.sched_getaffinity(0) == CORES


@needs_cores
def test_shares_are_spread_over_the_cores() -> None:
    shares = [Cpu(1) for _ in range(10 * len(CORES))]
    chosen = set()
    for share in shares:
        with share.cores():
            chosen |= os.sched_getaffinity(0)

    assert chosen == CORES


async def test_a_machine_without_proc_says_so_and_runs_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "visible", lambda: False)
    notices: list[str] = []
    limits = Limits(Memory(MIB), Cpu(0.5), notices.append)

    finished = await python("import os; print(os.nice(0))", limits, tmp_path)

    assert finished.exit_status == 0
    assert len(notices) == 2
    assert "`resource_limits.memory` is not kept" in notices[0]
    assert "`resource_limits.cpu` is no more than a low priority" in notices[1]


async def test_a_watch_that_cannot_look_fails_the_step_instead_of_going_blind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(pid: int) -> int:
        raise OSError("Too many open files")

    monkeypatch.setattr(watch, "resident", blind)

    with pytest.raises(OSError, match="Too many open files"):
        await python(HOLD.format(mib=1), memory(100), tmp_path)


async def test_a_folder_that_is_no_cgroup_bounds_nothing_and_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "usable", lambda: tmp_path)

    assert cgroup.Cgroup.around(os.getpid(), MIB, 1.0) is None
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def somebody() -> Iterator[psutil.Popen]:
    """A process that is none of the tree's."""
    with psutil.Popen(["sleep", "60"], start_new_session=True) as other:
        yield other
        other.kill()


@needs_proc
async def test_a_number_that_was_used_again_is_not_signalled(somebody: psutil.Popen) -> None:
    """A process is known by when it began, beside its number."""
    pid = somebody.pid
    before = processtree.Process(pid, 1, pid, pid, started=1, cpu=0.0, alive=True)

    processtree._signal(before, signal.SIGKILL)

    with pytest.raises(psutil.TimeoutExpired):
        somebody.wait(0.2)
