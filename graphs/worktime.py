"""The time that an execution works: waiting does not count, and there may be a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .limits import Stopwatch


class Worktime:
    """Counts seconds between `start` and `stop`; calls `over` once when the limit is reached."""

    def __init__(self, before: float, limit: float | None, over: Callable[[], None]) -> None:
        self._watch = Stopwatch(before)
        self._limit = limit
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        return self._watch.seconds

    def start(self) -> None:
        """Time counts from now on."""
        self._watch.start()
        left = self._watch.left(self._limit)
        if left is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._over)

    def stop(self) -> None:
        """Time does not count for the present."""
        self._watch.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
