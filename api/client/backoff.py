"""When to ask again what went wrong in passing: soon, then later, and not for ever."""

from __future__ import annotations

import asyncio
import random
import time

FIRST, LONGEST = 0.1, 5.0
"""Seconds between two tries: at first, and after many."""

TURNS = 5
"""How often in a row somebody waits whom the server told to."""

LONG = 120.0
"""Seconds; a server that wants one to wait longer is not waited for."""


class Backoff:
    """`patience`: seconds for which nothing has to go right; None: for ever."""

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """All is well."""
        self._delay = FIRST
        self.met()

    def met(self) -> None:
        """Somebody answered. It has yet to be seen for how long."""
        self._since: float | None = None
        self._turns = 0

    async def wait(self, told: float | None = None) -> bool:
        """Wait until it is time for another try; False: there is none. `told`: by the server."""
        now = time.monotonic()
        if told is not None:
            self._turns += 1
            if self._turns > TURNS or told > LONG:
                return False
            await asyncio.sleep(told)
            return True
        if self._since is None:
            self._since = now
        delay = self._delay * random.uniform(0.5, 1)
        if self._patience is not None and now + delay > self._since + self._patience:
            return False
        self._delay = min(self._delay * 2, LONGEST)
        await asyncio.sleep(delay)
        return True
