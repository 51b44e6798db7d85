"""What came of old firings is forgotten by whoever serves."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from ..graphs.firing import KEPT
from .desk import moment

if TYPE_CHECKING:
    from .desk import Desk

EVERY = 3600.0
"""Seconds between two looks, about: several processes shall not look at once."""

_log = logging.getLogger("assay.triggers")


async def forget(desk: Desk) -> None:
    """Forget firings of more than `KEPT` seconds ago about which nothing is left to be done, and
    lanes that nobody has used since; until cancelled. Raises `StoreError`."""
    while True:
        if count := await desk.store.prune_firings(moment(desk.now() - KEPT)):
            _log.info("forgot %s old firings", count)
        await asyncio.sleep(EVERY * random.uniform(0.5, 1.5))
