"""What the workflows call: effects, each noted with the worker and the epoch that had it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import assay
from assay.graphs.steps.deterministic import current_call

from ..durability.ledger import Ledger

WORKFLOWS = Path(__file__).parent / "workflows"


def registered(app: assay.App) -> assay.App:
    """The app, able to run the workflows of this package."""
    app.function("mark", mark)
    app.function("bulk", bulk)
    return app


def ledger_of(folder: Path, execution_id: str) -> Ledger:
    """Where the effects of an execution are noted; `folder` is the workspace."""
    return Ledger(folder / "effects" / execution_id)


async def mark(value: Any = None, fails: int = 0, takes: float = 0.0) -> Any:
    """An effect that takes so many seconds. Fails its first `fails` attempts.

    Lines as of `Ledger`, each with epoch and worker at its end. `cut` is an effect that has
    not happened and never will: its step was cancelled.
    """
    call = current_call()
    lease = call.run.journal._lease
    ledger = ledger_of(call.workspace, lease.execution_id)
    who = f"{call.path} {call.attempt} {os.getpid()} {lease.epoch} {lease.worker}"
    ledger.write(f"begin {who}")
    try:
        await asyncio.sleep(takes)
    except asyncio.CancelledError:
        ledger.write(f"cut {who}")
        raise
    if call.attempt <= fails:
        raise RuntimeError(f"failure {call.attempt} of {fails}")
    ledger.write(f"end {who}")
    return value


async def bulk(size: int) -> str:
    """A value too large for the journal."""
    return str(await mark("x" * size))
