"""What is read out of a shell command: its holes, words, commands and assignments."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLE = "\0"
"""Stands in the text for a hole: the one character that no shell text can hold."""

SPLIT = "\x01"
"""Stands in `Word.text` for an expansion that may be any number of words, or none."""

QUOTED = "\x02"
"""Stands in `Word.text` for an expansion that stays one word."""


class Unreadable(Exception):
    """The text cannot be read as a shell command from `at` on."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.script: Script | None = None


class Quote(Enum):
    """Where a hole stands."""

    BARE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    ANSI = auto()
    HERE_DOCUMENT = auto()
    COMMENT = auto()


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole at offset `at`, inside `depth` command substitutions.

    `file` says that it names the file of a redirection: its text is not what is read.
    """

    at: int
    quote: Quote
    depth: int
    file: bool


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written (`raw`) and without its quotes (`text`: HOLE, SPLIT, QUOTED inside)."""

    at: int
    raw: str
    text: str
    depth: int
    holes: tuple[Hole, ...] = ()

    @property
    def contents(self) -> tuple[Hole, ...]:
        """The holes whose text may be part of the word, substitutions included."""
        return tuple(hole for hole in self.holes if not hole.file)

    @property
    def name(self) -> str:
        """The word as the name of a program, without its folder and expansions."""
        return self.text.rsplit("/", 1)[-1].strip(SPLIT + QUOTED)

    @property
    def expands(self) -> bool:
        """Whether something in it is expanded."""
        return SPLIT in self.text or QUOTED in self.text

    @property
    def vanishes(self) -> bool:
        """Whether it is no word at all, and the next one in its place, if a variable is empty."""
        return bool(self.text) and not self.text.strip(SPLIT)


@dataclass(slots=True)
class Command:
    """A simple command, or `[[ … ]]`.

    `fed` are the holes in its here-documents and here-strings, and `input` is their text as far
    as it is expanded. `upstream` is the command whose output it reads; `drained` says that a
    shell runs what comes out of this one.
    """

    words: list[Word] = field(default_factory=list)
    fed: list[Hole] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    upstream: Command | None = None
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable that takes the text `raw`, and with it the holes in it."""

    name: str
    raw: str
    holes: tuple[Hole, ...]


@dataclass(slots=True)
class Script:
    """Everything read from one text. Refusals and warnings go by the offset of their hole.

    `evaluated` are texts that bash calculates, `run` are words that are run as they come out of
    their expansions: a command's name, program text.
    """

    text: str
    holes: list[Hole] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    evaluated: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)

    def refuse(self, hole: Hole, message: str) -> None:
        """Refuse a hole; the first reason found is the one that is told."""
        self.refusals.setdefault(hole.at, message)

    def refuse_all(self, holes: Iterable[Hole], message: str) -> None:
        for hole in holes:
            self.refuse(hole, message)


def listed(names: str) -> frozenset[str]:
    """Return the names in a text, separated by blanks."""
    return frozenset(names.split())
