"""A clock that can be wrong: everything in a child that asks what time it is asks this one."""

from __future__ import annotations

import time

_true = time.time
_true_ns = time.time_ns
_shift = 0.0

HOUR = 3600.0


def install(shift: float) -> None:
    """Show another time from now on; the clock that only measures goes on as it is."""
    global _shift
    _shift = shift
    time.time = _shown
    time.time_ns = _shown_ns


def _shown() -> float:
    return _true() + _shift


def _shown_ns() -> int:
    return _true_ns() + int(_shift * 1e9)
