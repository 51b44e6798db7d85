"""A journal as a tree: which steps were reached, list by list, as their paths say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..history import History

_SEGMENT = re.compile(
    r"(?P<id>[A-Za-z_][A-Za-z0-9_-]*)"
    r"(?:~(?P<round>[2-9]|[1-9]\d+))?(?:#(?P<attempt>[2-9]|[1-9]\d+))?(?P<place>(?![\w~#-]).*)"
)
_INDEX = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path: in full `id~round#attempt[index]`.

    Up to the round it names a step of a list, from there one of the lists inside the step.
    `place` is the index as written, or whatever else a kind of step calls its lists.
    """

    id: str
    round: int = 1
    attempt: int = 1
    place: str = ""

    @property
    def key(self) -> str:
        """The step, within its list."""
        return self.id if self.round == 1 else f"{self.id}~{self.round}"

    @property
    def label(self) -> str:
        """The list inside the step; often empty."""
        return self.place if self.attempt == 1 else f"#{self.attempt}{self.place}"

    @property
    def index(self) -> int | None:
        match = _INDEX.fullmatch(self.place)
        return None if match is None else int(match[1])


@dataclass(slots=True)
class Visit:
    """A step that was reached at `path`; `lists` are those inside it that were, by label."""

    path: str
    segment: Segment
    lists: dict[str, Visits] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.segment.id

    def in_order(self) -> list[Visits]:
        """The lists inside it, by attempt and index."""
        return sorted(self.lists.values(), key=lambda v: (v.segment.attempt, v.segment.index or 0))

    def paths(self) -> Iterator[str]:
        """Its path, and every path below it: of lists and of steps."""
        yield self.path
        for inside in self.lists.values():
            yield from inside.paths()


@dataclass(slots=True)
class Visits:
    """The steps that were reached in one list, by key; as they ran, if they ran in turn.

    `path` is what the list's own record has (`each[17]`), `segment` the last part of it.
    """

    path: str = ""
    segment: Segment = Segment("")
    by_key: dict[str, Visit] = field(default_factory=dict)

    def paths(self) -> Iterator[str]:
        if self.segment.label:
            yield self.path
        for visit in self.by_key.values():
            yield from visit.paths()


def visits(history: History) -> Visits:
    """Every step that the journal says something about, save those that compensate."""
    tree = _Tree()
    decided = dict.fromkeys(path for path, _ in history.decisions)
    intended = sorted(history.intents)
    for paths in (history.results, history.begun, history.tried, intended, decided):
        for path in paths:
            if path and not compensates(path):
                tree.add(owner(path))
    return tree.root


class _Tree:
    def __init__(self) -> None:
        self.root = Visits()
        self._lists = {"": self.root}

    def add(self, path: str) -> None:
        if self._visit(path)[1].label:
            self._list(path)

    def _visit(self, path: str) -> tuple[Visit, Segment]:
        before, dot, last = path.rpartition(".")
        (segment,) = segments(last) or (Segment(last),)
        around = self._list(before).by_key
        visit = around.get(segment.key)
        if visit is None:
            step = Segment(segment.id, segment.round)
            visit = around[segment.key] = Visit(f"{before}{dot}{segment.key}", step)
        return visit, segment

    def _list(self, path: str) -> Visits:
        if path not in self._lists:
            visit, segment = self._visit(path)
            self._lists[path] = visit.lists[segment.label] = Visits(path, segment)
        return self._lists[path]


def segments(path: str) -> tuple[Segment, ...] | None:
    """The parts of a step's path, or None when it is not one."""
    found = [_SEGMENT.fullmatch(part) for part in path.split(".")]
    parts = [
        Segment(m["id"], int(m["round"] or 1), int(m["attempt"] or 1), m["place"])
        for m in found
        if m is not None
    ]
    return tuple(parts) if len(parts) == len(found) else None


def owner(path: str) -> str:
    """The step that a path belongs to: a model's turn is at `fix/model[3]`."""
    return path.partition("/")[0]


def compensates(path: str) -> bool:
    """Whether it belongs to the compensation of a step: `build/rollback.undo`."""
    return path.partition("/")[2].partition(".")[0] == "rollback"
