"""Place values in a shell command as variables, so that no value becomes text of the program."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from .grammar import read
from .rules import check
from .script import HOLE, Quote, Script, Unreadable
from .taint import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "ASSAY_"
"""Hole 3 is the variable `ASSAY_3`."""

LONGEST = 120_000
"""Bytes of a command; Linux takes 128 KiB as one argument."""

_WRITTEN = {
    Quote.BARE: '"${%s}"',
    Quote.DOUBLE: "${%s}",
    Quote.SINGLE: "'\"${%s}\"'",
    Quote.ANSI: "'\"${%s}\"$'",
    Quote.HERE_DOCUMENT: "${%s}",
}
_RESERVED = re.compile(rf"{VARIABLE}[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A hole that cannot be placed, or as a warning is doubtful; without a hole, a bad text.

    It stands at `offset`, in code points, in the literal text number `part` of the parts; that of
    a hole is 0.
    """

    hole: int | None
    part: int
    offset: int
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """A command for bash in which `${ASSAY_n}` stands where hole n was.

    `holes` are the numbers that the script uses; a value in a comment is not used.
    """

    script: str
    problems: tuple[Misplaced, ...] = ()
    holes: tuple[int, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether a problem is more than a warning: the script must not be run."""
        return any(not problem.warning for problem in self.problems)


def place(parts: Sequence[str | int]) -> Placement:
    """Place the holes (numbers, from 0) among the literal texts of a shell command.

    Never raises for a bad command: each thing wrong is in `problems`, in order of place.
    A command without holes is left as it is, whatever it says.
    """
    source = _Source(parts)
    problems = source.literal_problems()
    if problems or not source.numbers:
        return Placement(source.text.replace(HOLE, ""), problems)
    try:
        script = read(source.text)
        unreadable = None
    except Unreadable as error:
        script, unreadable = error.script or Script(source.text), error
    check(script)
    warn(script)
    found = [source.problem(at, _hinted(message)) for at, message in script.refusals.items()]
    found += [
        source.problem(at, message, warning=True)
        for at, message in script.warnings.items()
        if at not in script.refusals
    ]
    if unreadable and unreadable.at not in script.refusals:
        told = unreadable.message
        at_hole = unreadable.at in source.numbers
        found.append(source.problem(unreadable.at, _hinted(told) if at_hole else told))
    found.sort(key=lambda problem: (problem.part, problem.offset))
    return Placement(_written(script, source), tuple(found), source.used(script))


def _hinted(message: str) -> str:
    return message + (", or" if ": " in message else ":") + " pass it through `env:`"


class _Source:
    """The parts as one text with HOLE for each hole, and the way back to the parts."""

    def __init__(self, parts: Sequence[str | int]) -> None:
        self.parts = parts
        self.text = "".join(HOLE if isinstance(part, int) else part for part in parts)
        lengths = (1 if isinstance(part, int) else len(part) for part in parts)
        self.starts = [0, *accumulate(lengths)][:-1]
        self.numbers = {
            start: part
            for start, part in zip(self.starts, parts, strict=True)
            if isinstance(part, int)
        }

    def problem(self, at: int, message: str, *, warning: bool = False) -> Misplaced:
        part = max(bisect_right(self.starts, at) - 1, 0)
        return Misplaced(self.numbers.get(at), part, at - self.starts[part], message, warning)

    def literal_problems(self) -> tuple[Misplaced, ...]:
        """Return what no shell could read, wherever the holes are."""
        found = []
        for number, part in enumerate(self.parts):
            if isinstance(part, str):
                bad = re.search(r"[\0\ud800-\udfff]", part)
                if bad:
                    found.append(Misplaced(None, number, bad.start(), "not a character of a text"))
                reserved = _RESERVED.search(part) if self.numbers else None
                if reserved:
                    message = f"{reserved[0]} is a name of Assay's own: choose another"
                    found.append(Misplaced(None, number, reserved.start(), message))
        if not found and len(self.text.encode()) > LONGEST:
            message = f"a command may have {LONGEST} bytes: put the rest into a file"
            found.append(Misplaced(None, 0, 0, message))
        return tuple(found)

    def used(self, script: Script) -> tuple[int, ...]:
        used = {self.numbers[hole.at] for hole in script.holes if hole.quote is not Quote.COMMENT}
        return tuple(sorted(used))


def _written(script: Script, source: _Source) -> str:
    edits = list(script.edits)
    for hole in script.holes:
        variable = f"{VARIABLE}{source.numbers[hole.at]}"
        written = _WRITTEN[hole.quote] % variable if hole.quote in _WRITTEN else ""
        edits.append((hole.at, hole.at + 1, written))
    out: list[str] = []
    done = 0
    for start, stop, written in sorted(edits):
        out += (source.text[done:start], written)
        done = stop
    out.append(source.text[done:])
    return "".join(out).replace(HOLE, "")
