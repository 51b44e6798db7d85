"""Builds plain JSON values together with the place of each in its text.

The readers of YAML, JSON and Python values all report to one `Builder`, so that every bound and
refusal holds for all three. Nothing here recurses: depth is a number, never a stack overflow.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from .errors import InvalidSpec, Position, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

MAX_DEPTH = 64
MAX_WEIGHT = 100_000
MAX_PROBLEMS = 100
CHARACTERS_PER_WEIGHT = 100
INT64 = range(-(2**63), 2**63)

_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Lines:
    """Turns offsets into a text, in code points, into positions."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] = []

    def position(self, offset: int) -> Position:
        """The line and column of `offset`; past the end, those of the end."""
        offset = min(offset, len(self.text))
        line = bisect_right(self.starts(), offset)
        return Position(line, offset - self._starts[line - 1] + 1)

    def starts(self) -> list[int]:
        """The offset at which every line begins. Computed once, when first asked for."""
        if not self._starts:
            self._starts = [0, *(end.end() for end in _LINE_END.finditer(self.text))]
        return self._starts


class Branch:
    """Where a list or mapping begins, and where its keys and members do."""

    __slots__ = ("keys", "members", "start")

    def __init__(self, start: int, members: dict[str, Place] | list[Place]) -> None:
        self.start = start
        self.members = members
        self.keys: dict[str, int] = {}


Place: TypeAlias = int | Branch
"""A scalar is placed by the offset of its first character, a container by a `Branch`."""


class Stop(Exception):
    """Reading on would be pointless or dangerous; the problems say why."""


class Builder:
    """Receives a document piece by piece, in order, and keeps its value and places.

    `key`, `scalar`, `open`, `close` and `alias` each take the offset at which the piece begins.
    Problems are collected; `Stop` is raised by those that end the reading, and by every bound.
    """

    def __init__(self, name: str, text: str, *, name_paths: bool = False) -> None:
        """`name_paths` begins each message with its path, for sources that have no lines."""
        self.name = name
        self.lines = Lines(text)
        self.problems: list[Problem] = []
        self._name_paths = name_paths
        self._frames = [_Frame([], Branch(0, []), None, 0)]
        self._weight = 0
        self._anchors: dict[str, _Anchored] = {}

    @property
    def started(self) -> bool:
        """Whether any piece was received."""
        return len(self._frames) > 1 or bool(self._frames[0].value)

    @property
    def wants_key(self) -> bool:
        """Whether the next piece is a key of a mapping."""
        frame = self._frames[-1]
        return frame.key is None and frame.mapping is not None

    def scalar(self, value: Json, shown: str, at: int, anchor: str | None = None) -> None:
        """A value without members; `shown` is how messages quote it."""
        weight = 1
        if isinstance(value, str):
            weight += len(value) // CHARACTERS_PER_WEIGHT
            self._check_text(value, at)
        elif isinstance(value, float):
            if not math.isfinite(value):
                self.problem(at, f"{quoted(shown)} is not a finite number; write it as text")
        elif isinstance(value, int) and value not in INT64:
            self.problem(at, f"the integer {quoted(shown)} does not fit 64 bits; write it as text")
        self._weigh(weight)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(value, at, weight, 0, shown)
        self._put(value, at)

    def key(self, text: str, at: int) -> None:
        """The key under which the next value stands."""
        self._weigh(1 + len(text) // CHARACTERS_PER_WEIGHT)
        frame = self._frames[-1]
        frame.key = text
        self._check_text(text, at)
        if text in frame.place.keys:
            line = self.lines.position(frame.place.keys[text]).line
            first = "" if self._name_paths else f" (first on line {line})"
            message = f"the key {quoted(text)} stands here a second time{first}"
            self.problem(at, f"{message}; remove or rename one")
        else:
            frame.place.keys[text] = at

    def open(self, value: dict[str, Json] | list[Json], at: int, anchor: str | None = None) -> None:
        """An empty container, whose members follow until `close`."""
        if len(self._frames) > MAX_DEPTH:
            self.stop(at, f"nested more than {MAX_DEPTH} deep; flatten the document")
        self._weigh(1)
        members: dict[str, Place] | list[Place] = {} if isinstance(value, dict) else []
        self._frames.append(_Frame(value, Branch(at, members), anchor, self._weight - 1))

    def close(self) -> None:
        """The end of the innermost open container."""
        frame = self._frames.pop()
        if frame.anchor is not None:
            weight = self._weight - frame.weight_before
            self._anchors[frame.anchor] = _Anchored(
                frame.value, frame.place, weight, frame.height, None
            )
        parent = self._frames[-1]
        parent.height = max(parent.height, frame.height + 1)
        if self.wants_key:
            self.unusable_key()
        else:
            self._put(frame.value, frame.place)

    def alias(self, anchor: str, at: int) -> None:
        """What `anchor` marked stands here again: shared in memory, counted in full."""
        if any(frame.anchor == anchor for frame in self._frames):
            self.stop(at, f"the alias '*{anchor}' stands inside what it repeats; write it out")
        found = self._anchors.get(anchor)
        if found is None:
            message = f"the alias '*{anchor}' has no anchor before it; write '&{anchor}' above"
            self.problem(at, f"{message}, or put the text in quotes")
            found = _Anchored(None, at, 1, 0, "")
        if len(self._frames) - 1 + found.height > MAX_DEPTH:
            self.stop(at, f"nested more than {MAX_DEPTH} deep through '*{anchor}'; flatten it")
        if self.wants_key:
            if found.shown is None:
                self.problem(at, f"a key must be text, and '*{anchor}' is not; write the key out")
                self.unusable_key()
            else:
                self.key(found.shown, at)
            return
        self._weigh(found.weight, at)
        parent = self._frames[-1]
        parent.height = max(parent.height, found.height + 1)
        if isinstance(found.place, Branch):
            place = Branch(at, found.place.members)
            place.keys = found.place.keys
            self._put(found.value, place)
        else:
            self._put(found.value, at)

    def unusable_key(self) -> None:
        """Stands in for a key that was reported, so that its value is still checked."""
        self._frames[-1].key = ""

    def problem(self, at: int, message: str) -> None:
        """Notes what is wrong at `at`, in the place now being read."""
        path = self._path()
        if self._name_paths and path:
            message = f"{path_text(path)}: {message}"
        self.problems.append(Problem(self.name, self.lines.position(at), message, path))
        if len(self.problems) >= MAX_PROBLEMS:
            raise Stop

    def stop(self, at: int, message: str) -> NoReturn:
        """Notes what is wrong and ends the reading."""
        self.problem(at, message)
        raise Stop

    def result(self) -> tuple[Json, Place]:
        """The value and its place; raises `InvalidSpec` with every problem found."""
        if self.problems:
            raise InvalidSpec(self.problems)
        root = self._frames[0]
        assert isinstance(root.value, list)
        assert isinstance(root.place.members, list)
        return root.value[0], root.place.members[0]

    def _put(self, value: Json, place: Place) -> None:
        frame = self._frames[-1]
        if frame.mapping is None:
            frame.value.append(value)  # type: ignore[union-attr]
            frame.place.members.append(place)  # type: ignore[union-attr]
        else:
            assert frame.key is not None
            frame.mapping[frame.key] = value
            frame.place.members[frame.key] = place  # type: ignore[call-overload]
            frame.key = None

    def _weigh(self, weight: int, at: int = 0) -> None:
        self._weight += weight
        if self._weight > MAX_WEIGHT:
            message = f"the document holds more than {MAX_WEIGHT:,} values, repeated ones included"
            self.stop(at, f"{message}; move data into a file that a step reads")

    def _check_text(self, text: str, at: int) -> None:
        if text.isascii():
            return
        try:
            text.encode()
        except UnicodeEncodeError:
            self.problem(at, f"{quoted(text)} holds half a surrogate pair; write the character")

    def _path(self) -> tuple[str | int, ...]:
        path: list[str | int] = []
        for frame in self._frames[1:]:
            if frame.mapping is None:
                path.append(len(frame.value))
            elif frame.key is not None:
                path.append(frame.key)
        return tuple(path)


class _Frame:
    """A container that is still open."""

    __slots__ = ("anchor", "height", "key", "mapping", "place", "value", "weight_before")

    def __init__(
        self,
        value: dict[str, Json] | list[Json],
        place: Branch,
        anchor: str | None,
        weight_before: int,
    ) -> None:
        self.value = value
        self.mapping = value if isinstance(value, dict) else None
        self.place = place
        self.anchor = anchor
        self.weight_before = weight_before
        self.key: str | None = None
        self.height = 1


class _Anchored:
    """What an alias repeats. `shown` is its text as a key, None for containers."""

    __slots__ = ("height", "place", "shown", "value", "weight")

    def __init__(
        self, value: Json, place: Place, weight: int, height: int, shown: str | None
    ) -> None:
        self.value = value
        self.place = place
        self.weight = weight
        self.height = height
        self.shown = shown


def integer(digits: str, radix: int = 10) -> int:
    """`int(digits)`; for more digits than 64 bits can need, some number beyond 64 bits.

    Python refuses to convert thousands of decimal digits.
    """
    significant = digits.lstrip("+-0") or "0"
    if len(significant) > 64:
        return 2**64
    return int(f"-{significant}" if digits.startswith("-") else significant, radix)


def quoted(text: str, limit: int = 60) -> str:
    """`text` as a message shows it: quoted, escaped, and cut when it is long."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def path_text(path: Iterable[str | int]) -> str:
    """`("steps", 0, "a b")` as `steps[0]['a b']`."""
    text = ""
    for segment in path:
        if isinstance(segment, str) and _PLAIN_SEGMENT.fullmatch(segment):
            text += f".{segment}" if text else segment
        else:
            text += f"[{segment!r}]" if isinstance(segment, int) else f"[{quoted(segment)}]"
    return text
