"""A server that ends, or is killed, and is started again amid a stream is not noticed in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.api.client.conftest import PATIENCE

from assay import Client
from assay.graphs.event import Event, EventType
from assay.graphs.execution import Status

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

COMMAND = (sys.executable, "-c", "from assay.api.cli import main; main()")
STEPS = {
    "name": "steps",
    "steps": [
        {
            "id": "loop",
            "type": "foreach",
            "items": str(list(range(30))),
            "steps": [{"id": "work", "type": "shell", "command": "sleep 0.05; echo {{ item }}"}],
        }
    ],
}


async def launched(folder: Path, port: int) -> asyncio.subprocess.Process:
    """A server on a port that answers."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        f"--port={port}",
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"serving at" in await process.stdout.readline()
    return process


async def ended(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(how)
    await process.communicate()


async def test_streams_outlive_their_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await launched(tmp_path, port)
    told: list[Event] = []
    heard: list[Event] = []
    try:
        async with Client(f"http://127.0.0.1:{port}", patience=PATIENCE) as client:
            await client.register(STEPS)
            begun = await client.start("steps")

            async def hear() -> None:
                async for event, _ in client.events(after="", patience=None):
                    heard.append(event)
                    if event.type is EventType.EXECUTION_COMPLETED:
                        return

            hearing = asyncio.create_task(hear())
            turns = iter([(10, signal.SIGKILL), (25, signal.SIGTERM), (40, signal.SIGKILL)])
            kill, how = next(turns)
            async for event in client.follow(begun.id, patience=None):
                told.append(event)
                if event.seq >= kill:
                    await ended(process, how)
                    kill, how = next(turns, (10_000, how))
                    process = await launched(tmp_path, port)
            await hearing
            done = await client.wait(begun.id)
            kept = [e async for e in client.follow(begun.id)]
    finally:
        await ended(process, signal.SIGKILL)
    assert done.status is Status.COMPLETED
    assert [e for e in told if e.seq] == kept == heard
    assert [e.seq for e in kept] == list(range(1, len(kept) + 1))
    done_once = [e.path for e in kept if e.type is EventType.STEP_COMPLETED]
    assert len(done_once) == len(set(done_once)) == 31
