"""How far an execution is, as numbers that only grow."""

from __future__ import annotations

from ...graphs.event import Event, EventType
from ..streams import LAST

_ENDED = frozenset(
    {
        EventType.STEP_COMPLETED,
        EventType.STEP_FAILED,
        EventType.STEP_SKIPPED,
        EventType.STEP_CANCELLED,
    }
)
_INSIDE = frozenset(".[#~?")


class Progress:
    """Counts the steps of the root list that are done; `total` is how many there are.

    What happens inside of one brings the count nearer to the next, and never up to it: how
    much of it is left, nobody knows.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self.ended = False
        self.current = ""
        self._done: set[str] = set()
        self._within = 0

    def fold(self, event: Event) -> bool:
        """Take the event in; whether there is something to report."""
        if not event.seq:
            return False
        self.seen = event.seq
        self.ended = self.ended or event.type in LAST
        if event.type is EventType.STEP_STARTED:
            self.current = event.path
            self._within += 1
            return True
        if event.type in _ENDED and _INSIDE.isdisjoint(event.path) and event.path:
            self._done.add(event.path)
            self._within = 0
            return True
        return False

    @property
    def done(self) -> float:
        return len(self._done) + 1 - 1 / (self._within + 1)

    @property
    def message(self) -> str:
        count = f"{len(self._done)} of {self.total} steps done"
        return f"{count}; {self.current} began" if self._within else count
