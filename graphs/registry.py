"""Names to things: filled at start, then only read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import Generic, TypeVar

from .errors import NotRegistered

T = TypeVar("T")


class Registry(Generic[T]):
    """What is registered under a name; built-ins and plugins come in by the same door.

    Entry points of `group` are loaded when a name is not among the others: never over one
    that was registered by hand, and not at all as long as nobody asks for more.
    """

    def __init__(self, noun: str, built_in: Mapping[str, T], *, group: str | None = None) -> None:
        self._noun = noun
        self._things = dict(built_in)
        self._group = group

    def register(self, name: str, thing: T) -> None:
        """Add a thing, or replace the one of that name."""
        self._things[name] = thing

    def get(self, name: str) -> T:
        """The thing of that name; raises `NotRegistered` with the nearest match."""
        if name in self:
            return self._things[name]
        raise NotRegistered(f"no {self._noun} is named {name!r}{nearest(name, self._things)}")

    def _discover(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        for point in _installed():
            if point.group == group and point.name not in self._things:
                self._things[point.name] = point.load()

    def __len__(self) -> int:
        self._discover()
        return len(self._things)

    def __contains__(self, name: object) -> bool:
        if name not in self._things:
            self._discover()
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(sorted(self._things))

    def copy(self) -> Registry[T]:
        """A registry of its own with the same things."""
        self._discover()
        return Registry(self._noun, self._things)


@cache
def _installed() -> Sequence[EntryPoint]:
    """Once in a process: it reads a file of every distribution that is installed."""
    return tuple(point for one in distributions() for point in one.entry_points)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or what there is when nothing is near; empty without names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:12])
    return f"; there are: {shown}{', …' if len(names) > 12 else ''}"
