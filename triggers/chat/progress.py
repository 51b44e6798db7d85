"""What an execution has done so far, folded from its events, as a card shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ...graphs.event import Event, EventType
from .adapter import Card, shortened

if TYPE_CHECKING:
    from ...graphs.execution import Execution

SHOWN = 12
"""Steps that a card shows; the oldest are counted."""

_SIGNS = {
    EventType.STEP_COMPLETED: "✓",
    EventType.STEP_FAILED: "✗",
    EventType.STEP_SKIPPED: "↷",
    EventType.STEP_CANCELLED: "⊘",
    EventType.STEP_COMPENSATED: "↩",
}

_STATES = {
    EventType.EXECUTION_QUEUED: "waits for its turn",
    EventType.EXECUTION_STARTED: "is running",
    EventType.EXECUTION_RESUMED: "is running",
    EventType.EXECUTION_WAITING: "waits",
    EventType.EXECUTION_PAUSED: "is paused",
    EventType.EXECUTION_RESTARTING: "begins again after a failure of the system",
    EventType.EXECUTION_COMPLETED: "is done",
    EventType.EXECUTION_FAILED: "failed",
    EventType.EXECUTION_CANCELLED: "was stopped",
}

_ENDED = (
    EventType.EXECUTION_COMPLETED,
    EventType.EXECUTION_FAILED,
    EventType.EXECUTION_CANCELLED,
)

_QUESTIONS = (
    EventType.QUESTION_ASKED,
    EventType.QUESTION_ESCALATED,
    EventType.QUESTION_ANSWERED,
    EventType.QUESTION_WITHDRAWN,
)


@dataclass(slots=True)
class Progress:
    """Of one execution. `seq` is the last event in it; `asks`, whether its questions changed
    since somebody set it to False."""

    workflow: str
    execution: str
    seq: int = 0
    state: str = "begins"
    sign: str = "⏳"
    ended: bool = False
    asks: bool = False
    _steps: dict[str, str] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """The next event; one that is known already changes nothing."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        if event.type in _STATES:
            self.state = _STATES[event.type]
            self.ended = event.type in _ENDED
            self.sign = _sign(event.type)
        self.asks = self.asks or event.type in _QUESTIONS
        if event.path and "/" not in event.path:
            self._step(event)

    def _step(self, event: Event) -> None:
        if event.type is EventType.STEP_STARTED:
            self._steps[event.path] = f"▸ `{event.path}`"
        elif event.type is EventType.STEP_RETRYING:
            self._steps[event.path] = f"↻ `{event.path}`: another attempt"
        elif event.type in _SIGNS:
            took = _seconds(event.data.get("started_at"), event.data.get("completed_at"))
            cached = ", from the cache" if event.data.get("cached") else ""
            self._steps[event.path] = f"{_SIGNS[event.type]} `{event.path}`{took}{cached}"

    def card(self, row: Execution | None = None) -> Card:
        """As it stands. `row`: how it ended."""
        lines = list(self._steps.values())
        earlier = len(lines) - SHOWN
        if earlier > 0:
            lines = [f"… {earlier} steps before", *lines[-SHOWN:]]
        head = f"{self.sign} **{self.workflow}** {self.state}"
        if row is not None and row.error is not None:
            where = f" at `{row.error.path}`" if row.error.path else ""
            head += f"{where}: {shortened(row.error.message, 600)}"
        return Card("\n".join([head, *lines]), fields=(("execution", self.execution),))


def _sign(type: EventType) -> str:
    match type:
        case EventType.EXECUTION_COMPLETED:
            return "✅"
        case EventType.EXECUTION_FAILED:
            return "❌"
        case EventType.EXECUTION_CANCELLED:
            return "🛑"
        case EventType.EXECUTION_WAITING | EventType.EXECUTION_PAUSED:
            return "⏸️"
    return "⏳"


def _seconds(began: str | None, ended: str | None) -> str:
    if not began or not ended:
        return ""
    took = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    return f" {took:.0f} s" if took >= 1 else ""
