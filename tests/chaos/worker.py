"""A worker that serves until SIGTERM, begins what it is told to, and loses messages.

    python -m tests.chaos.worker FOLDER SEED

It says `ready WORKER`; each line `WORKFLOW N CASE` that it hears begins an execution. The
environment says where store and bus are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from random import Random
from typing import Any

import assay
from assay.api.cli.signals import signals
from assay.graphs import desk, drive, runner
from assay.graphs.errors import AssayError
from assay.store.firestore.database import Database

from .. import indexes
from ..durability.ledger import Ledger
from .commits import note_commits
from .effects import WORKFLOWS, registered
from .faults import Faults

WARM = 1.5
PARK_AFTER = 0.25
"""Seconds, both, so that executions leave memory within a test."""


async def main(folder: Path, seed: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    for noisy in ("httpx", "httpx2", "httpcore", "google", "openai"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    drive.WARM, runner.PARK_AFTER, desk.LOOK_AGAIN = WARM, PARK_AFTER, 2.0
    counts = Ledger(folder / "faults")
    faults = Faults(Random(seed), lambda what, n: counts.write(f"{what} {n}"))
    faults.install()
    Database.watcher = indexes.check
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, waiting)
    with signals() as stop:
        async with assay.open(
            os.environ["ASSAY_STORE"], workspace=folder / "workspace", environ=os.environ
        ) as app:
            worker = app.manager.store.worker
            note_commits(folder / "commits" / worker, worker)
            registered(app).manager.serve()
            say(f"ready {worker}")
            hearing = asyncio.create_task(hear(app))
            await stop.wait()
            hearing.cancel()
    await faults.close()
    say("ended")


async def hear(app: assay.App) -> None:
    """Begin what is asked for, one after the other."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := (await lines.readline()).decode():
        workflow, n, case = line.split()
        try:
            begun = await app.manager.start(
                WORKFLOWS / f"{workflow}.yaml", {"n": int(n), "case": case}
            )
        except AssayError as error:
            logging.warning("case %s is not begun here: %s", case, error.message)
            say(f"failed {case}")
        else:
            say(f"begun {case} {begun.id}")


def waiting() -> None:
    """What each task waits for, in the log."""
    for task in asyncio.all_tasks():
        where: list[str] = []
        inner: Any = task.get_coro()
        while inner is not None:
            frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None)
            if frame is not None:
                where.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            entered = None if frame is None else frame.f_locals.get("self")
            deeper = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
            # How far the body of an `asynccontextmanager` is, its manager alone knows.
            inner = getattr(entered, "gen", None) if _is_opaque(deeper) else deeper
        logging.warning("task %s waits at %s", task.get_name(), " ".join(where))


def _is_opaque(inner: object) -> bool:
    return type(inner).__name__.startswith("async_generator_")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
