"""A worker in a process of its own: it serves, and says of each step when it began.

`python -m sides.worker URL BUS FOLDER [hold]`; a worker that holds never ends a step.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import assay
from assay.graphs.beginning import beginning

DOCUMENT = {
    "name": "picked-up",
    "version": "1",
    "steps": [{"id": "step", "type": "python", "function": "step"}],
}
PATIENCE = 60.0
HERE = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Worker:
    """A worker process, as whoever started it sees it."""

    _process: asyncio.subprocess.Process

    async def said(self) -> float:
        """When it says something next, by the clock of the machine."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker of the benchmark has ended; its error is above")
        return float(line)

    async def kill(self) -> float:
        """As the kernel does; when."""
        at = time.time()
        self._process.kill()
        await self._process.wait()
        return at


@asynccontextmanager
async def worker(url: str, bus: str, folder: Path, *how: str) -> AsyncIterator[Worker]:
    """Serves within."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sides.worker", url, bus, str(folder), *how),
        cwd=HERE,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Worker(process)
    try:
        await started.said()
        yield started
    finally:
        if process.returncode is None:
            await started.kill()


async def offer(app: assay.App) -> float:
    """Begin an execution that nobody drives, and ring for it; when it was durable.

    The house has no such call yet: whoever begins an execution drives it as long as it can.
    """
    launches = app.manager.launches
    launch = await launches.launch(await launches.load(DOCUMENT), Path(), True)
    execution = launches.queued(launch, {})
    store = app.manager.store
    await store.keep(launch.program.workflow)
    lease = await store.create(execution, beginning(execution).entries, "")
    at = time.time()
    assert lease is None
    app.bus.ring(execution.id)
    return at


async def main(url: str, bus: str, folder: str, *how: str) -> None:
    async def step() -> None:
        say()
        if "hold" in how:
            await asyncio.Event().wait()

    environ = {"ASSAY_BUS": bus, "ASSAY_HOME": folder}
    async with assay.open(url, workspace=folder, environ=environ) as app:
        app.function("step", step)
        app.manager.serve()
        say()
        await asyncio.Event().wait()


def say() -> None:
    print(time.time(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
