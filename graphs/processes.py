"""Running a program so that nothing of it is left behind: one process group, killed whole."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from .errors import LimitReached, PanicError, Terminal
from .limits import Limits
from .pipes import Feed, Input, Output
from .processtree import group_lives
from .sandbox.confinement import Rung
from .sandbox.ladder import GRACE, Hold, Start
from .watch import Watch, watch

Stream = Literal["stdout", "stderr"]
Listener = Callable[[Stream, bytes], None]

OUTPUT_LIMIT = 32 * 1024 * 1024
"""Bytes kept of each stream; a program that writes more is stopped."""

LINGER = 0.5
"""Seconds for which output is still read when a program has ended and its pipes have not."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `exit_status` is negative for a signal, as in `subprocess`."""

    exit_status: int
    stdout: bytes
    stderr: bytes


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | Feed | None = None,
    on_output: Listener | None = None,
    limits: Limits | None = None,
    hold: Hold | None = None,
) -> Finished:
    """Run a program to its end in a process group of its own, confined by `hold` if there is one.

    Cancelling kills the whole group: TERM, then KILL after `GRACE` seconds. Whatever the
    program left running in its group is killed as well when it ends. Raises `Terminal`
    when the program cannot be started, `PanicError` when no program can, `LimitReached`
    when it writes over `OUTPUT_LIMIT`, or holds more memory, its descendants included, than
    `limits` allow.
    """
    limits = limits or Limits()
    if hold is not None:
        _check_there(argv[0], cwd, env)
        limits = limits.at_most(hold.confinement.memory)
    async with _around(hold, argv, env, cwd) as start:
        program = _Program(_started(start, cwd, stdin is not None, limits), hold)
        try:
            program.attach(stdin, on_output, limits)
            await program.run()
        finally:
            await asyncio.shield(program.end())
        if start.report is not None and (error := start.report.error(argv[0])) is not None:
            raise error
    return program.finished()


@contextlib.asynccontextmanager
async def _around(
    hold: Hold | None, argv: Sequence[str], env: Mapping[str, str], cwd: Path
) -> AsyncIterator[Start]:
    if hold is None:
        yield Start(argv, env)
        return
    stack = contextlib.ExitStack()
    try:
        yield stack.enter_context(hold.around(argv, env, cwd))
    finally:
        # What the program has left in its own folder may be much.
        await asyncio.shield(asyncio.to_thread(stack.close))


def _check_there(program: str, cwd: Path, env: Mapping[str, str]) -> None:
    """What starts a confined program could only tell it that there is none."""
    there = (
        (cwd / program).is_file()
        if os.sep in program
        else shutil.which(program, path=env.get("PATH", os.defpath))
    )
    if not there:
        raise Terminal(f"could not start {program!r} in {cwd}: {os.strerror(errno.ENOENT)}")


def _started(start: Start, cwd: Path, fed: bool, limits: Limits) -> subprocess.Popen[bytes]:
    argv = start.argv
    pinned = contextlib.nullcontext() if limits.cpu is None else limits.cpu.cores()
    try:
        with pinned:
            return subprocess.Popen(
                argv,
                bufsize=0,
                cwd=cwd,
                env=dict(start.env),
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=() if start.report is None else (start.report.descriptor,),
            )
    except BlockingIOError as error:
        raise PanicError(f"could not start {argv[0]!r}: the system is out of processes") from error
    except OSError as error:
        raise Terminal(
            f"could not start {argv[0]!r} in {cwd}: {error.strerror or error}"
        ) from error


class _Program:
    """A program under way.

    Its leader is reaped last of all. Until then that number, which is its group's as well,
    is nobody else's: no signal of ours can meet another program.
    """

    def __init__(self, process: subprocess.Popen[bytes], hold: Hold | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._hold = hold
        self._ended: asyncio.Future[None] = loop.create_future()
        self._failed: asyncio.Future[None] = loop.create_future()
        self._kept: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._outputs: list[Output] = []
        self._input: Input | None = None
        self._watch: Watch | None = None
        self._over = False

    def attach(
        self, stdin: bytes | Feed | None, on_output: Listener | None, limits: Limits
    ) -> None:
        """Begin to listen to it, to feed it and to watch it."""
        process = self._process
        _tell_end(process.pid, self._ended)
        assert process.stdout is not None
        assert process.stderr is not None
        pipes: Mapping[Stream, IO[bytes]] = {"stdout": process.stdout, "stderr": process.stderr}
        for name, pipe in pipes.items():
            self._outputs.append(Output(pipe, partial(self._keep, on_output, name), self._failed))
        if process.stdin is not None:
            feed = stdin if isinstance(stdin, Feed) else Feed.whole(stdin or b"")
            self._input = Input(process.stdin, feed)
        self._watch = watch(process.pid, limits, kept=self._kept_by_another)

    async def run(self) -> None:
        """Return when it has ended and its output is read, or when it has failed."""
        watching = () if self._watch is None else (self._watch.task,)
        endings = (self._ended, self._failed, *watching)
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            # First its group: a child left behind would hold the pipes. A daemon that left
            # the group with its copy of them is not ours to kill, or to wait for.
            await self._end_group()
            await asyncio.wait([output.closed for output in self._outputs], timeout=LINGER)

    async def end(self) -> None:
        """End what still runs of it, then let go of everything."""
        try:
            await self._end_group()
            if self._watch is not None and (failure := await self._watch.close()) is not None:
                self._fail(failure)
        finally:
            if not self._over:
                # Cancelled itself: the loop is about to close, and there is no time for a grace.
                self._kill()
            for end in (self._input, *self._outputs):
                if end is not None:
                    end.close()
            self._reap()
            if self._failed.done():
                self._failed.exception()  # Seen: who cancels a program does not ask for it.

    def finished(self) -> Finished:
        """How it ended; raises what it failed by."""
        if self._failed.done():
            self._failed.result()
        status = self._process.returncode
        return Finished(status, bytes(self._kept["stdout"]), bytes(self._kept["stderr"]))

    @property
    def _kept_by_another(self) -> bool:
        """Whether its leader is a keeper, which hands TERM on, and ends all that there is."""
        return self._hold is not None and self._hold.rung is not Rung.NONE

    def _keep(self, on_output: Listener | None, name: Stream, chunk: bytes) -> None:
        kept = self._kept[name]
        if len(kept) + len(chunk) > OUTPUT_LIMIT:
            raise LimitReached(
                f"the program wrote more than {OUTPUT_LIMIT // 1024 // 1024} MiB to {name}; "
                "send large output to a file and declare it under `outputs`"
            )
        kept += chunk
        if on_output is not None:
            on_output(name, chunk)

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _end_group(self) -> None:
        self._over = self._over or not group_lives(self._process.pid)
        if self._over:
            return
        if self._watch is not None:
            # A stopped process would not hear of its end.
            self._watch.let_go()
        self._signal_group(signal.SIGTERM)
        if not await self._gone(GRACE):
            self._kill()
            if not await self._gone(LINGER):
                self._signal_group(signal.SIGKILL)
        self._over = True

    def _kill(self) -> None:
        # A keeper that is killed itself could no longer end what has left its group.
        self._signal_group(signal.SIGQUIT if self._kept_by_another else signal.SIGKILL)

    async def _gone(self, seconds: float) -> bool:
        """Whether its group ends within that time."""
        pause = 0.001
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while group_lives(self._process.pid):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 0.05)
                return True
        return False

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _reap(self) -> None:
        """Take its status, which frees its number; later, if not even KILL has ended it yet."""
        try:
            pid, status = os.waitpid(self._process.pid, os.WNOHANG)
        except ChildProcessError:
            self._process.returncode = 0
            self._fail(
                Terminal(
                    "how the program ended is not known: something else reaped it; "
                    "Assay must not be started with SIGCHLD ignored"
                )
            )
            return
        if pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
        else:
            self._ended.add_done_callback(lambda _: self._reap())


def _tell_end(pid: int, ended: asyncio.Future[None]) -> None:
    """Set the future when the process has ended, and leave it unreaped."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # macOS, and sandboxes that know no handles.
        def wait() -> None:
            _await_end(pid)
            with contextlib.suppress(RuntimeError):  # The loop may be closed by now.
                loop.call_soon_threadsafe(tell)

        threading.Thread(target=wait, name=f"assay-wait-{pid}", daemon=True).start()
        return

    def ready() -> None:
        loop.remove_reader(handle)
        os.close(handle)
        tell()

    loop.add_reader(handle, ready)


def _await_end(pid: int) -> None:
    if sys.platform == "darwin":
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        with contextlib.closing(select.kqueue()) as queue, contextlib.suppress(ProcessLookupError):
            queue.control([event], 1)
    else:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
