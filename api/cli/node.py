"""A step at its place in the tree, and the last lines of what it says."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...graphs.execution import Cost, Status
from ...graphs.question import Question
from .text import clean

TAIL = 3
"""Lines of a step's output that are kept to be looked at."""


class Tail:
    """The last lines of what a step says, however it is cut into pieces."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL)
        self._open = ""

    def feed(self, text: str) -> None:
        *whole, self._open = (self._open + text).replace("\r\n", "\n").split("\n")
        self._lines.extend(line for line in map(_overwritten, whole) if line.strip())
        # A line without an end must not grow for ever.
        self._open = self._open[-4096:]

    @property
    def lines(self) -> list[str]:
        """At most `TAIL` lines, oldest first, the unfinished one included."""
        last = _overwritten(self._open)
        return [*self._lines, *([last] if last.strip() else [])][-TAIL:]


def _overwritten(line: str) -> str:
    """What is left to see of a line that returns to its beginning, as progress bars do."""
    return clean(line.rstrip("\r").rsplit("\r", 1)[-1])


@dataclass(slots=True)
class Node:
    """A step at its path, or what only holds steps: an iteration, a later attempt, a rollback.

    `status` is None before the step begins. `of` is how many attempts there may be;
    `retries_at` is when the next begins, as a POSIX time. `wait` is what it waits for, and
    `answer` what came of that.
    """

    path: str
    label: str
    kind: str = ""
    status: Status | None = None
    started_at: str | None = None
    ended_at: str | None = None
    attempt: int = 1
    of: int = 1
    retries_at: float = 0.0
    cached: bool = False
    error: str = ""
    reason: str = ""
    wait: Question | None = None
    answer: str = ""
    cost: Cost = field(default_factory=Cost)
    tail: Tail = field(default_factory=Tail)
    children: dict[str, Node] = field(default_factory=dict)

    def every(self) -> Iterator[Node]:
        """The node and all nodes inside it."""
        yield self
        for child in self.children.values():
            yield from child.every()

    @property
    def standing(self) -> Status | None:
        """Its status; that of a mere holder is what its children's come to.

        What runs but can only wait is `waiting`.
        """
        found = {child.standing for child in self.children.values()}
        if self.kind or not self.children:
            waits = self.wait is not None or (
                Status.WAITING in found and Status.RUNNING not in found
            )
            return Status.WAITING if waits and self.status is Status.RUNNING else self.status
        for status in (Status.RUNNING, Status.WAITING, Status.FAILED, Status.CANCELLED):
            if status in found:
                return status
        if None in found:
            return Status.RUNNING if found - {None} else None
        if Status.COMPENSATED in found:
            return Status.COMPENSATED
        return Status.SKIPPED if found == {Status.SKIPPED} else Status.COMPLETED


_PLACE = re.compile(r"(?P<parent>.*?)(?P<mark>\.|~|#|\[|/)(?P<last>[^.~#\[/]*)\Z", re.DOTALL)


def split(path: str) -> tuple[str, str]:
    """The path that holds this one (empty: the execution itself), and its name in there.

    `fix[2].edit` is `edit` in `fix[2]`, which is `[2]` in `fix`; `fix#2` is the second attempt
    of `fix`. `fix~2` is not inside `fix`: it is the same step again, beside it.
    """
    found = _PLACE.match(path)
    if found is None:
        return "", path
    parent, mark, last = found["parent"], found["mark"], found["last"]
    match mark:
        case "[":
            return parent, f"[{last}"
        case "#":
            return parent, f"attempt {last}"
        case "~":
            outer, name = split(parent)
            return outer, f"{name} (time {last})"
    return parent, last
