"""How a delay grows from one try to the next; for retries and restarts alike."""

from __future__ import annotations

from .step import Backoff

_DOUBLINGS = 62
"""Beyond these a float would overflow sooner than any bound be missed."""


def grown(delay: float, backoff: Backoff, number: int, longest: float) -> float:
    """Seconds to wait after the try of that number (the first is 1), never over `longest`."""
    match backoff:
        case "fixed":
            factor = 1
        case "linear":
            factor = number
        case "exponential":
            factor = 2 ** min(number - 1, _DOUBLINGS)
    return min(delay * factor, longest)
