"""A clock that tests set: what the engine waits for comes when they say so."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from ...graphs import desk
from ...graphs.units import parse_duration

_LOOKS = 0.02
"""Seconds between two looks of the engine at a clock that may be set."""


class Clock:
    """The time of day in this process, which `advance` moves; time that is measured goes on.

    with Clock() as clock:
        clock.advance("2d")

    Sleeps, deadlines of questions and long retries end at once when the clock has reached
    them: the engine allows for clocks that are set, and here it looks more often. What a step
    measures by itself (`timeout`, pauses of less than ten seconds) takes its real time, and
    programs that steps start see the machine's clock. One at a time in a process.
    """

    def __init__(self) -> None:
        self._true = time.time
        self._true_ns = time.time_ns
        self._ahead_ns = 0
        self._looked = desk.LOOK_AGAIN

    def time(self) -> float:
        """Seconds since 1970, as everything in the process sees them now."""
        return self.time_ns() / 1e9

    def time_ns(self) -> int:
        return self._true_ns() + self._ahead_ns

    def advance(self, by: str | float) -> None:
        """Set the clock ahead: seconds, or a duration such as `2h`."""
        seconds = parse_duration(by) if isinstance(by, str) else by
        self._ahead_ns += int(seconds * 1e9)

    def reach(self, moment: float) -> None:
        """Set the clock to a moment, seconds since 1970, unless it is past."""
        self.advance(max(moment - self.time(), 0.0))

    def __enter__(self) -> Self:
        self._looked, desk.LOOK_AGAIN = desk.LOOK_AGAIN, _LOOKS
        time.time, time.time_ns = self.time, self.time_ns
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        time.time, time.time_ns = self._true, self._true_ns
        desk.LOOK_AGAIN = self._looked
