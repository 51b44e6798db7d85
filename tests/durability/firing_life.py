"""One life of a process that fires triggers and serves, in a child of the fork server."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, get_args

from assay.api.app import open_app
from assay.graphs.firing import Firing
from assay.graphs.trigger import Overlap
from assay.store.sqlite.writer import Writer
from assay.triggers import lanes, turns

from . import clock
from .forkserver import Voice

OVERLAPS: tuple[str, ...] = get_args(Overlap)


def definition(overlap: str) -> dict[str, Any]:
    """A workflow that takes a moment, with one trigger."""
    return {
        "name": overlap,
        "inputs": {"n": {"type": "integer"}},
        "steps": [{"id": "rest", "type": "sleep", "duration": "20ms"}],
        "triggers": [{"type": "manual", "overlap": overlap}],
    }


def fire(voice: Voice, **how: Any) -> None:
    """Fire each trigger `count` times, always by the same ids, and serve until everything is
    over, which it says; or die at the commit boundary `die_at`. `shift`: as in `Life`."""
    asyncio.run(_fire(voice, **how))


async def _fire(voice: Voice, home: str, count: int, die_at: str = "", shift: float = 0.0) -> None:
    def boundary(name: str) -> None:
        if name == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    clock.install(shift)
    # What a dead process has claimed is looked at soon.
    turns.HIDDEN = lanes.BEHIND = 1.0
    lanes.HEAD = 0.2
    async with open_app(home=Path(home), workspace=Path(home), environ={}) as app:
        app.manager.serve()
        for overlap in OVERLAPS:
            await app.register(definition(overlap))
        Writer.boundary = boundary
        desk = app.triggers.desk

        async def ended(firing: Firing) -> None:
            firing = await desk.settled(firing, 80, over=True)
            if firing.status == "started":
                await app.wait(firing.execution_id)

        async with app.triggers.running():
            triggers = [await desk.store.trigger(f"{overlap}.manual") for overlap in OVERLAPS]
            voice.say("serving")
            firings = [
                await desk.fire(trigger, {"n": n}, id=str(n))
                for n in range(count)
                for trigger in triggers
            ]
            await asyncio.gather(*(ended(firing) for firing in firings))
            voice.say("over")
