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
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_CHUNK,
        )
    except OSError as error:
        raise Terminal(
            f"could not start {argv[0]!r} in {cwd}: {error.strerror or error}"
        ) from error
    try:
        async with asyncio.TaskGroup() as group:
            stdout = group.create_task(_collect(process.stdout, "stdout", on_output))
            stderr = group.create_task(_collect(process.stderr, "stderr", on_output))
            group.create_task(_feed(process, stdin))
            group.create_task(_reap(process, [stdout, stderr]))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        await asyncio.shield(_end(process))
    status = process.returncode
    assert status is not None
    return Finished(status, stdout.result(), stderr.result())


async def _reap(
    process: asyncio.subprocess.Process, reading: Sequence[asyncio.Task[bytes]]
) -> None:
    """Wait for the leader; then end its group, or a child left behind would hold the pipes."""
    await process.wait()
    await _kill_group(process)
    _, held = await asyncio.wait(reading, timeout=LINGER)
    if held:
        # A daemon left the group with its copy of the pipes: it is not ours to kill or wait for.
        _close_pipes(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    await _kill_group(process)
    _close_pipes(process)


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    """Stop listening; asyncio has no public way to."""
    process._transport.close()  # type: ignore[attr-defined]


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


async def _feed(process: asyncio.subprocess.Process, stdin: bytes | None) -> None:
    if stdin is None or process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _kill_group(process: asyncio.subprocess.Process) -> None:
    if not _signal_group(process.pid, signal.SIGTERM):
        return
    deadline = asyncio.get_running_loop().time() + GRACE
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None and not _signal_group(process.pid, 0):
            return
        await asyncio.sleep(0.01)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    while _signal_group(process.pid, 0) and asyncio.get_running_loop().time() < deadline + LINGER:
        await asyncio.sleep(0.01)


def _signal_group(group: int, number: int) -> bool:
    """Whether the group was still there to be signalled."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
