"""Programs that a step left running when its worker was killed: ended before it runs again."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

KEY = "ASSAY_IDEMPOTENCY_KEY"
"""The variable by which a program can be told to be of a step."""


async def end_orphans(idempotency_key: str) -> int:
    """Kill every process of this user that was started for the step; how many there were.

    Two copies of a step must not run at once. Where there is no /proc, nothing is found.
    """
    return await asyncio.to_thread(_end, f"{KEY}={idempotency_key}".encode())


def _end(mark: bytes) -> int:
    ended = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # not ours, or gone by now
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                ended += 1
    return ended
