"""What a program has become: its processes, found from parent to child."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

_LOOK = 0.05
"""Seconds at least between two looks at which of them are the program's."""


class Crowd:
    """How many processes the program has become; the whole machine's number tells when to look."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._fewest = _tasks()
        self._looked = 0.0

    def over(self) -> int:
        """How many there are, if that is too many."""
        if not self.limit:
            return 0
        tasks, now = _tasks(), time.monotonic()
        self._fewest = min(self._fewest, tasks)
        if tasks - self._fewest <= self.limit // 2 or now - self._looked < _LOOK:
            return 0
        count = sum(1 for _ in descendants(os.getpid()))
        self._looked = time.monotonic()
        return count if count > self.limit else 0


def _tasks() -> int:
    """The threads of the whole machine, which is known without counting."""
    with open("/proc/loadavg", "rb") as opened:
        return int(opened.read().split()[3].partition(b"/")[2])


def descendants(root: int) -> Iterator[int]:
    children = children_of()
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, ())


def children_of() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as opened:
            state, parent = opened.read().rpartition(b")")[2].split()[:2]
            if state not in b"ZX":
                children.setdefault(int(parent), []).append(pid)
    return children


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def tasks_of(user: int) -> int:
    tasks = 0
    for pid in _pids():
        with suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == user:
                tasks += len(os.listdir(f"/proc/{pid}/task"))
    return tasks
