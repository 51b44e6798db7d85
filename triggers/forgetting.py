"""What came of old firings is forgotten by whoever serves, but not whose turn it still is."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from ..graphs.errors import FiringNotFound
from ..graphs.execution import Status
from ..graphs.firing import KEPT
from ..graphs.listing import every
from ..graphs.units import format_moment
from .lanes import State

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from .desk import Desk

EVERY = 3600.0
"""Seconds between two looks, about: several processes shall not look at once."""

_log = logging.getLogger("assay.triggers")


async def forget(desk: Desk) -> None:
    """Forget firings of more than `KEPT` seconds ago about which nothing is left to be done, and
    lanes that nobody has used since; until cancelled. Raises `StoreError`."""
    while True:
        await hold(desk)
        if count := await desk.store.prune_firings(format_moment(desk.now() - KEPT)):
            _log.info("forgot %s old firings", count)
        await asyncio.sleep(EVERY * random.uniform(0.5, 1.5))


async def hold(desk: Desk) -> None:
    """Have lanes last in which an execution has its turn for half of that time already: it may
    outlive the firing that began it. Raises `StoreError`."""
    before = format_moment(desk.now() - KEPT / 2)
    for status in Status:
        if status.terminal:
            continue
        async for execution in every(desk.store.executions, status=status.value):
            if execution.firing and execution.created_at < before:
                await _hold(desk, execution)


async def _hold(desk: Desk, execution: Execution) -> None:
    try:
        firing = await desk.store.firing(execution.firing)
    except FiringNotFound:
        return
    lane = await desk.store.lane(firing.lane) if firing.lane else None
    if lane is None or lane.lasting:
        return
    if any(each.execution == execution.id for each in State.from_dict(lane.document).active):
        # Whoever changed it meanwhile has put off its end as well.
        await desk.store.put_lane(replace(lane, lasting=True, revision=lane.revision + 1))
