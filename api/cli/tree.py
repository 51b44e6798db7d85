"""What is known of an execution, step by step: a fold of its events, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...graphs.event import Event, EventType
from ...graphs.execution import Cost, Execution, Status
from ...graphs.question import Question, Wait
from .node import Node, split
from .text import clean, duration
from .waits import place

if TYPE_CHECKING:
    from ...graphs.binding import BoundStep

_ENDS: Mapping[EventType, Status] = {
    EventType.STEP_COMPLETED: Status.COMPLETED,
    EventType.STEP_FAILED: Status.FAILED,
    EventType.STEP_SKIPPED: Status.SKIPPED,
    EventType.STEP_CANCELLED: Status.CANCELLED,
    EventType.STEP_COMPENSATED: Status.COMPENSATED,
}
_LIFE: Mapping[EventType, Status] = {
    EventType.EXECUTION_QUEUED: Status.QUEUED,
    EventType.EXECUTION_STARTED: Status.RUNNING,
    EventType.EXECUTION_RESUMED: Status.RUNNING,
    EventType.EXECUTION_RESTARTING: Status.WAITING,
    EventType.EXECUTION_WAITING: Status.WAITING,
    EventType.EXECUTION_PAUSED: Status.PAUSED,
    EventType.EXECUTION_COMPLETED: Status.COMPLETED,
    EventType.EXECUTION_FAILED: Status.FAILED,
    EventType.EXECUTION_CANCELLED: Status.CANCELLED,
}
_CUT = frozenset(
    {
        EventType.EXECUTION_QUEUED,
        EventType.EXECUTION_RESTARTING,
        EventType.EXECUTION_COMPLETED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
    }
)
"""After one of these nothing runs: what has not ended was cut off."""

_QUESTIONS = frozenset(
    {
        EventType.QUESTION_ASKED,
        EventType.QUESTION_ANSWERED,
        EventType.QUESTION_WITHDRAWN,
        EventType.QUESTION_ESCALATED,
    }
)


class Tree:
    """The steps of one execution. `fold` takes each event once, in order.

    `adrift`: nobody drives it, so that no step runs whatever was said last.
    """

    def __init__(self, title: str, steps: Sequence[BoundStep] = ()) -> None:
        self.title = title
        self.execution_id = ""
        self.status = Status.QUEUED
        self.adrift = False
        self.restart = ""
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self.cost = Cost()
        self.notices: list[str] = []
        self.current: Node | None = None
        self.roots: dict[str, Node] = {}
        self._nodes: dict[str, Node] = {}
        self._names = dict(_names(steps))
        self._expect(steps, "")

    def finish(self, execution: Execution) -> None:
        """Take over how the execution ended, or where it is."""
        self.status = execution.status
        self.adrift = self.adrift or execution.status.terminal
        self.started_at = execution.started_at
        self.ended_at = execution.completed_at
        self.cost = execution.cost

    def fold(self, event: Event) -> None:
        """Take one event into account."""
        self.execution_id = event.execution_id
        if event.type in _LIFE:
            self.status = _LIFE[event.type]
            self.adrift = event.type in _CUT
            self.restart = _restart(event)
            if event.type is EventType.EXECUTION_STARTED:
                self.started_at = event.at
            elif self.status.terminal:
                self.ended_at = event.at
        elif event.type is EventType.NOTICE:
            self.notices.append(str(event.data.get("message", "")))
        elif event.type in _QUESTIONS:
            self._fold_question(event)
        elif event.path:
            self._fold_step(self._node(event.path), event)

    def wait_for(self, questions: Iterable[Question]) -> None:
        """Take over what is waited for, all of it."""
        for node in self.every():
            node.wait = None
        for question in questions:
            if at := place(question):
                self._node(at).wait = question

    def look_at(self, question: Question) -> None:
        """Make the step that asks the current one."""
        self.current = self._node(place(question))

    def every(self) -> Iterator[Node]:
        for root in self.roots.values():
            yield from root.every()

    def _fold_question(self, event: Event) -> None:
        data = event.data
        # A step may ask again and again, at paths that end with `?2`.
        node = self._node(event.path.partition("?")[0])
        match event.type:
            case EventType.QUESTION_ASKED:
                node.wait = Question(
                    str(data["question"]),
                    event.execution_id,
                    event.path,
                    Wait(data["kind"]),
                    str(data.get("message") or ""),
                    due=data.get("due"),
                )
            case EventType.QUESTION_ANSWERED:
                node.answer = _answer(node.wait, data)
                node.wait = None
            case EventType.QUESTION_WITHDRAWN:
                node.wait = None

    def _fold_step(self, node: Node, event: Event) -> None:
        data = event.data
        node.kind = str(data.get("kind", node.kind))
        match event.type:
            case EventType.STEP_STARTED:
                node.status, node.started_at = Status.RUNNING, event.at
                self.current = node
            case EventType.STEP_RETRYING:
                node.attempt, node.of = int(data["attempt"]), int(data["of"])
                node.error = str((data.get("error") or {}).get("message", ""))
                began = datetime.fromisoformat(event.at).timestamp()
                node.retries_at = began + float(data.get("delay", 0))
            case EventType.OUTPUT | EventType.TOKEN:
                node.tail.feed(_said(data))
                self.current = node
            case ending if ending in _ENDS:
                self._end(node, _ENDS[ending], event)

    def _end(self, node: Node, status: Status, event: Event) -> None:
        data = event.data
        node.status, node.wait = status, None
        if status is Status.COMPENSATED:
            return  # how long it took, and what else is known of it, is what it was
        node.started_at = data.get("started_at") or node.started_at
        node.ended_at = data.get("completed_at") or event.at
        node.attempt = int(data.get("attempts") or node.attempt)
        node.cached = bool(data.get("cached"))
        node.reason = str(data.get("reason") or "")
        node.error = _own_error(node.path, data.get("error"))
        node.cost = Cost(**data["cost"]) if data.get("cost") else node.cost
        self.cost += node.cost
        if self.current is node:
            running = [n for n in self.every() if n.status is Status.RUNNING]
            self.current = running[-1] if running else None

    def _expect(self, steps: Sequence[BoundStep], prefix: str) -> None:
        """Steps that are sure to have this path, should they run, are shown from the start."""
        for bound in steps:
            node = self._node(f"{prefix}{bound.id}")
            node.kind = bound.kind
            if not bound.step.local:
                for way, inner in bound.blocks.items():
                    if way != ("rollback",):
                        self._expect(inner, f"{node.path}.")

    def _node(self, path: str) -> Node:
        if path not in self._nodes:
            parent, name = split(path)
            label = self._names.get(name, name)
            siblings = self._node(parent).children if parent else self.roots
            node = self._nodes[path] = Node(path, label)
            siblings[path] = node
        return self._nodes[path]


def _names(steps: Iterable[BoundStep]) -> Iterator[tuple[str, str]]:
    """What people see instead of ids."""
    for bound in steps:
        if bound.step.name:
            yield bound.id, bound.step.name
        for inner in bound.blocks.values():
            yield from _names(inner)


def _restart(event: Event) -> str:
    """Which restart is waited for, and how long."""
    if event.type is not EventType.EXECUTION_RESTARTING:
        return ""
    data = event.data
    return f"restart {data['restart']} of {data['of']} in {duration(float(data['delay']))}"


def _answer(question: Question | None, data: Mapping[str, Any]) -> str:
    """What came of a question to a person; nothing to be said of an event."""
    if question is None or question.kind is Wait.EVENT:
        return ""
    by = f" by {clean(str(data['by']))}" if data.get("by") else ""
    if question.kind is Wait.APPROVAL:
        return f"{'approved' if data.get('approved', True) else 'rejected'}{by}"
    return f"answered{by}"


def _said(data: Mapping[str, Any]) -> str:
    """What a live event says, as lines."""
    if "text" in data:
        return str(data["text"])
    if "tool" in data:
        refused = "" if data.get("allowed", True) else " (refused)"
        return f"→ {data['tool']}{refused}\n"
    if "verify" in data:
        return "".join(f"✗ {message}\n" for message in data["verify"])
    return ""


def _own_error(path: str, error: Mapping[str, Any] | None) -> str:
    """The error's message where it began; the steps around it only hand it on."""
    if not error or error.get("path") not in ("", None, path):
        return ""
    return str(error.get("message", ""))
