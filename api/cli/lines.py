"""Events as plain lines, one each: what is shown where no terminal is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...graphs.event import Event, EventType
from ...graphs.execution import Cost, timestamp
from ...graphs.question import Question, Wait
from .text import (
    clean,
    duration,
    first_line,
    local_time,
    one_line,
    seconds_between,
    shown,
    spent,
    until,
)
from .waits import ends, place, wanted

_VERBS = {
    EventType.EXECUTION_STARTED: "started",
    EventType.EXECUTION_RESUMED: "goes on",
    EventType.EXECUTION_WAITING: "waiting",
    EventType.EXECUTION_PAUSED: "paused",
    EventType.EXECUTION_COMPLETED: "completed",
    EventType.EXECUTION_FAILED: "failed",
    EventType.EXECUTION_CANCELLED: "cancelled",
    EventType.STEP_STARTED: "started",
    EventType.STEP_COMPLETED: "completed",
    EventType.STEP_FAILED: "failed",
    EventType.STEP_SKIPPED: "skipped",
    EventType.STEP_CANCELLED: "cancelled",
    EventType.STEP_COMPENSATED: "compensated",
}
_QUESTIONS = frozenset(
    {
        EventType.QUESTION_ASKED,
        EventType.QUESTION_ANSWERED,
        EventType.QUESTION_WITHDRAWN,
        EventType.QUESTION_ESCALATED,
    }
)


class Lines:
    """Turns events into lines; what a step prints is held until its line is whole."""

    def __init__(self, *, date: bool = False) -> None:
        self._date = date
        self._open: dict[tuple[str, str], str] = {}

    def waiting(self, question: Question) -> str:
        """The line about something that waits for time alone, of which no event is told."""
        return self._line(
            timestamp(), place(question) or "execution", f"{wanted(question)} {ends(question)}"
        )

    def of(self, event: Event) -> Iterator[str]:
        """The lines that the event adds; none while a line of output is not finished."""
        if event.type is EventType.TOKEN:
            return
        if event.type is EventType.OUTPUT:
            yield from self._output(event)
            return
        for key in [k for k in self._open if k[0] == event.path]:
            yield self._line(event.at, event.path, f"| {clean(self._open.pop(key))}")
        yield self._line(event.at, event.path or "execution", describe(event))

    def _output(self, event: Event) -> Iterator[str]:
        if "text" not in event.data:
            yield self._line(event.at, event.path, describe(event))
            return
        key = (event.path, str(event.data.get("stream", "")))
        held = self._open.pop(key, "") + str(event.data["text"])
        *whole, rest = held.replace("\r\n", "\n").split("\n")
        if rest:
            self._open[key] = rest
        for line in whole:
            yield self._line(event.at, event.path, f"| {clean(line)}".rstrip())

    def _line(self, at: str, path: str, text: str) -> str:
        return f"{local_time(at, date=self._date)}  {path}  {text}"


def describe(event: Event) -> str:
    """What happened, in some words."""
    data = event.data
    match event.type:
        case EventType.EXECUTION_QUEUED:
            why = f"; {one_line(str(data['why']))}" if data.get("why") else ""
            return f"queued as {event.execution_id}{why}"
        case EventType.EXECUTION_RESTARTING:
            why = first_line(str((data.get("error") or {}).get("message", "")))
            wait = duration(float(data["delay"]))
            return f"restart {data['restart']} of {data['of']} in {wait}: {why}"
        case EventType.NOTICE:
            return f"notice: {one_line(str(data.get('message', '')))}"
        case EventType.EMITTED:
            payload = data.get("payload")
            said = "" if payload is None else f": {one_line(shown(payload))}"
            return f"emitted {one_line(str(data.get('event', '')))}{said}"
        case EventType.STEP_STARTED:
            return f"started ({data.get('kind', 'step')})"
        case EventType.STEP_RETRYING:
            why = first_line(str((data.get("error") or {}).get("message", "")))
            wait = duration(float(data.get("delay", 0)))
            return f"attempt {data['attempt']} of {data['of']} in {wait}: {why}"
        case EventType.OUTPUT:
            return _agent_work(data)
    if event.type in _QUESTIONS:
        return _question(event.type, data)
    verb = _VERBS.get(event.type, event.type.value)
    return "; ".join([verb + _lasted(data), *_remarks(data)])


def _question(type: EventType, data: Any) -> str:
    id = str(data.get("question", ""))
    by = f" by {one_line(str(data['by']))}" if data.get("by") else ""
    match type:
        case EventType.QUESTION_ASKED:
            # The event that is waited for is in the store alone.
            due = f", until {until(float(data['due']))}" if data.get("due") else ""
            if data.get("kind") == Wait.EVENT:
                return f"waits for an event ({id}{due})"
            return f"asks: {one_line(str(data.get('message') or ''))} ({id}{due})"
        case EventType.QUESTION_ANSWERED:
            return f"{'answered' if data.get('approved', True) else 'rejected'}{by} ({id})"
        case EventType.QUESTION_WITHDRAWN:
            return f"needs no answer any more ({id})"
    return f"may be answered by others as well ({id})"


def _lasted(data: Any) -> str:
    if data.get("cached"):
        return " from the cache"
    lasted = seconds_between(data.get("started_at"), data.get("completed_at"))
    skipped = data.get("status") == "skipped"
    return "" if lasted is None or skipped else f" in {duration(lasted)}"


def _remarks(data: Any) -> Iterator[str]:
    if data.get("attempts", 1) > 1:
        yield f"{data['attempts']} attempts"
    if data.get("reason"):
        yield one_line(str(data["reason"]))
    if error := data.get("error"):
        yield first_line(str(error.get("message", "")))
    if data.get("cost") and (cost := spent(Cost(**data["cost"]))):
        yield cost


def _agent_work(data: Any) -> str:
    if "tool" in data:
        refused = "" if data.get("allowed", True) else " (refused)"
        return f"tool {one_line(str(data['tool']))}{refused}: {one_line(shown(data['arguments']))}"
    if "verify" in data:
        return f"verify, attempt {data.get('attempt')}: {one_line('; '.join(data['verify']))}"
    return one_line(shown(dict(data)))
