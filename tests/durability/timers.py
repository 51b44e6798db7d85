"""Lives that wait for timers, by clocks that are wrong. Programs of the fork server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.graphs.event import EventType

from . import clock
from .forkserver import Voice
from .life import Life, opened

SWEEPS = 1.5
"""Seconds in which a worker that serves looks around several times."""


def jump(voice: Voice, shifts: Sequence[float], **how: Any) -> None:
    """Begin; the clock jumps whenever everything waits or a step completes, while there are shifts.

    The last shift must be one that makes every timer due: a jump back may come before the others
    were seen to be due, and they rightly wait on.
    """
    asyncio.run(_jump(voice, list(shifts), Life(**how)))


def hold(voice: Voice, **how: Any) -> None:
    """Begin, say `waiting` when everything waits, and hold the lease until killed."""
    asyncio.run(_hold(voice, Life(**how)))


def look_around(voice: Voice, **how: Any) -> None:
    """Serve the store beside others; says whether the execution still has its driver."""
    asyncio.run(_look_around(voice, Life(**how)))


def inherit(voice: Voice, **how: Any) -> None:
    """Do nothing but serve, until the execution has ended; says how."""
    asyncio.run(_inherit(voice, Life(**how)))


async def _jump(voice: Voice, shifts: list[float], life: Life) -> None:
    async with opened(life) as app:
        execution = await app.start(Path(life.folder) / life.document)
        following = app.manager.follow(execution.id)
        async for event in following:
            if event.type is EventType.EXECUTION_COMPLETED:
                break
            if shifts and event.type in (EventType.EXECUTION_WAITING, EventType.STEP_COMPLETED):
                clock.install(shifts.pop(0))
        voice.say("completed")


async def _hold(voice: Voice, life: Life) -> None:
    async with opened(life) as app:
        execution = await app.start(Path(life.folder) / life.document)
        async for event in app.manager.follow(execution.id):
            if event.type is EventType.EXECUTION_WAITING:
                voice.say("waiting")


async def _look_around(voice: Voice, life: Life) -> None:
    async with opened(life) as app:
        (execution,) = (await app.manager.executions()).items
        before = await app.manager.store.holder(execution.id)
        app.manager.serve()
        await asyncio.sleep(SWEEPS)
        after = await app.manager.store.holder(execution.id)
        voice.say("left alone" if before == after else f"{before} lost it to {after}")


async def _inherit(voice: Voice, life: Life) -> None:
    async with opened(life) as app:
        (execution,) = (await app.manager.executions()).items
        app.manager.serve()
        voice.say(str((await app.wait(execution.id)).status))
