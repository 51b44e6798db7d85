"""What a worker is told: how much, how long, and where it says how it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..graphs.errors import ConfigurationError

GRACE = 25.0
"""Seconds; most platforms kill a process thirty seconds after they told it to end."""


@dataclass(frozen=True, slots=True)
class Duty:
    """`grace` and `idle_exit` in seconds, `health` as HOST:PORT, `audience` and `sender` of
    pushes. None: not at all."""

    grace: float = GRACE
    health: str | None = None
    idle_exit: float | None = None
    audience: str | None = None
    sender: str | None = None


def read_duty(
    environ: Mapping[str, str],
    *,
    grace: float | None = None,
    health: str | None = None,
    idle_exit: float | None = None,
) -> Duty:
    """What is given, over what the settings say. Raises `ConfigurationError`."""
    if grace is None:
        grace = _seconds(environ.get("ASSAY_GRACE"))
    address = health if health is not None else environ.get("ASSAY_HEALTH")
    audience = environ.get("ASSAY_PUSH_AUDIENCE") or None
    sender = environ.get("ASSAY_PUSH_SENDER") or None
    if audience and not address:
        raise ConfigurationError(
            "ASSAY_PUSH_AUDIENCE is set, so rings are pushed to POST /work; "
            "say where to listen: --health HOST:PORT"
        )
    if sender and not audience:
        raise ConfigurationError("ASSAY_PUSH_SENDER is set without ASSAY_PUSH_AUDIENCE; give both")
    return Duty(grace, address or None, idle_exit, audience, sender)


def _seconds(text: str | None) -> float:
    if text is None:
        return GRACE
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigurationError(f"ASSAY_GRACE is {text!r}; give a number of seconds, 0 or more")
    return seconds
