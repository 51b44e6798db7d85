"""What a program's triggers would do, read off before anything is registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .program import Program
from .units import format_time


@dataclass(frozen=True, slots=True)
class Start:
    """One trigger. `says`: when it fires, in words, where there are any; `next_at`, RFC 3339:
    when the clock fires it first, were it registered now."""

    id: str
    kind: str
    enabled: bool
    says: str
    next_at: str | None

    def __str__(self) -> str:
        """`mornings (cron): At 09:00 every day, UTC; next 2026-11-23 09:00:00`, in local time."""
        said = [] if self.enabled else ["switched off"]
        said += [self.says] if self.says else []
        if self.next_at is not None:
            at = datetime.fromisoformat(self.next_at).astimezone()
            said.append(f"next {at:%Y-%m-%d %H:%M:%S}")
        return f"{self.id} ({self.kind}){': ' if said else ''}{'; '.join(said)}"


def starts(program: Program, now: float) -> Sequence[Start]:
    """Of each of its triggers, in order; `now` in seconds since 1970."""
    found = []
    for bound in program.triggers:
        spec = bound.spec
        due = spec.initial(now) if spec.enabled else None
        at = None if due is None else format_time(due)
        found.append(Start(bound.id, spec.kind, spec.enabled, spec.says(), at))
    return found
