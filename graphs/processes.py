"""Running a program so that nothing of it is left behind: one process group, killed whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import LimitReached, Terminal

Stream = Literal["stdout", "stderr"]

OUTPUT_LIMIT = 32 * 1024 * 1024
"""Bytes kept of each stream; a program that writes more is stopped."""

GRACE = 3.0
"""Seconds between TERM and KILL."""

LINGER = 0.5
"""Seconds for which output is still read when a program has ended and its pipes have not."""

_CHUNK = 64 * 1024


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
    stdin: bytes | None = None,
    on_output: Callable[[Stream, bytes], None] | None = None,
) -> Finished:
    """Run a program to its end in a process group of its own.

    Cancelling kills the whole group: TERM, then KILL after `GRACE` seconds. Whatever the
    program left running in its group is killed as well when it ends. Raises `Terminal`
    when the program cannot be started, `LimitReached` when it writes over `OUTPUT_LIMIT`.
    """
    starting = asyncio.ensure_future(_start(argv, cwd, env, stdin is not None))
    try:
        program = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio would kill the program alone, and not what it has started already.
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.shield(_end(starting.result()))
        raise
    protocol = program.protocol
    try:
        async with asyncio.TaskGroup() as group:
            stdout = group.create_task(_collect(protocol.stdout, "stdout", on_output))
            stderr = group.create_task(_collect(protocol.stderr, "stderr", on_output))
            group.create_task(_feed(protocol.stdin, stdin))
            group.create_task(_reap(program, [stdout, stderr]))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        await asyncio.shield(_end(program))
    status = program.transport.get_returncode()
    assert status is not None
    return Finished(status, stdout.result(), stderr.result())


async def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str], feed: bool) -> _Program:
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.subprocess_exec(
            lambda: _Protocol(limit=_CHUNK, loop=loop),
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE if feed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Terminal(
            f"could not start {argv[0]!r} in {cwd}: {error.strerror or error}"
        ) from error
    return _Program(transport, protocol)


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Says when the program has ended: asyncio's own `wait` may wait for its pipes as well,
    which a child left behind can hold for ever."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


@dataclass(frozen=True, slots=True)
class _Program:
    transport: asyncio.SubprocessTransport
    protocol: _Protocol

    def signal_group(self, number: int) -> bool:
        """Whether the group was still there to be signalled."""
        try:
            os.killpg(self.transport.get_pid(), number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def gone(self, seconds: float) -> bool:
        """Whether the program and its group end within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.protocol.ended.wait()
                while self.signal_group(0):  # noqa: ASYNC110 - nobody tells of a group's end
                    await asyncio.sleep(0.01)
                return True
        return False


async def _reap(program: _Program, reading: Sequence[asyncio.Task[bytes]]) -> None:
    """Wait for the leader; then end its group, or a child left behind would hold the pipes."""
    await program.protocol.ended.wait()
    await _kill_group(program)
    _, held = await asyncio.wait(reading, timeout=LINGER)
    if held:
        # A daemon left the group with its copy of the pipes: it is not ours to kill or wait for.
        program.transport.close()


async def _end(program: _Program) -> None:
    await _kill_group(program)
    program.transport.close()


async def _kill_group(program: _Program) -> None:
    if program.signal_group(signal.SIGTERM) and not await program.gone(GRACE):
        program.signal_group(signal.SIGKILL)
        await program.gone(LINGER)


async def _collect(
    stream: asyncio.StreamReader | None,
    name: Stream,
    on_output: Callable[[Stream, bytes], None] | None,
) -> bytes:
    assert stream is not None
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        if len(kept) + len(chunk) > OUTPUT_LIMIT:
            raise LimitReached(
                f"the program wrote more than {OUTPUT_LIMIT // 1024 // 1024} MiB to {name}; "
                "send large output to a file and declare it under `outputs`"
            )
        kept += chunk
        if on_output is not None:
            on_output(name, chunk)
    return bytes(kept)


async def _feed(pipe: asyncio.StreamWriter | None, stdin: bytes | None) -> None:
    if stdin is None or pipe is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(stdin)
        await pipe.drain()
    pipe.close()
