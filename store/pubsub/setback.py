"""Pub/Sub is away for a while: said once, tried again and again, and said when it is back."""

from __future__ import annotations

import asyncio
import logging
import random

FIRST, MOST = 0.1, 3.0
"""Seconds between attempts."""

log = logging.getLogger("assay.pubsub")


class Setback:
    """Between failures of one thing that is tried for ever."""

    def __init__(self) -> None:
        self._wait = 0.0
        self._said = ""

    async def failed(self, what: str) -> None:
        """Say it, unless it is what was said last, and wait before the next attempt."""
        if what != self._said:
            self._said = what
            log.warning("%s; trying again", what)
        self._wait = min(max(self._wait * 2, FIRST), MOST)
        await asyncio.sleep(self._wait * random.uniform(0.5, 1))

    def over(self) -> None:
        if self._said:
            log.info("again all right, after: %s", self._said)
            self._said, self._wait = "", 0.0
