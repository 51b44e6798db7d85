"""Patterns of chat messages, as `cover {target_file} with {note...}`, read word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

LONGEST = 500
"""Characters of a pattern."""

_HOLE = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*(\.\.\.)?\s*\}")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "«": "»"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a message, or what stands in quotes; `start` is where it begins."""

    text: str
    start: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One word of a pattern: fixed text, or text around the name of what is captured."""

    before: str
    name: str = ""
    rest: bool = False
    after: str = ""

    def captured(self, word: Word) -> str | None:
        """What the word gives, if it fits: for a fixed word nothing, which is no text."""
        if not self.name:
            return "" if word.text.casefold() == self.before and not word.quoted else None
        if not (self.before or self.after):
            return word.text or None
        folded, room = word.text.casefold(), len(self.before) + len(self.after)
        # Folding may lengthen a text, and then its places are not those of the text.
        if word.quoted or len(folded) != len(word.text) or len(folded) <= room:
            return None
        if not (folded.startswith(self.before) and folded.endswith(self.after)):
            return None
        return word.text[len(self.before) : len(folded) - len(self.after)]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Fixed words, in any case, and names in braces that capture a word, a text in quotes, or,
    with dots and at the end, all the rest."""

    text: str
    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts if part.name)

    @property
    def rest(self) -> str:
        """The name of what captures the rest; empty without one."""
        return self.parts[-1].name if self.parts[-1].rest else ""

    @property
    def weight(self) -> int:
        """Characters that are fixed: of two patterns that fit, the heavier one is meant."""
        return sum(len(part.before) + len(part.after) for part in self.parts)

    def match(self, text: str) -> Mapping[str, str] | None:
        """What the text gives by name; None when it does not fit."""
        found: dict[str, str] = {}
        words = tuple(islice(words_of(text), len(self.parts) + 1))
        for index, part in enumerate(self.parts):
            if index >= len(words):
                return None
            if part.rest:
                rest = words[index:]
                whole = rest[0].text if len(rest) == 1 else text[rest[0].start :].strip()
                return {**found, part.name: whole} if whole else None
            captured = part.captured(words[index])
            if captured is None:
                return None
            if part.name:
                found[part.name] = captured
        return found if len(words) == len(self.parts) else None


def parse_pattern(text: str) -> Pattern:
    """Raises `ValueError` that says what is wrong with it."""
    if not text.strip() or len(text) > LONGEST:
        raise ValueError(f"a pattern has 1 to {LONGEST} characters, as `cover {{target_file}}`")
    pattern = Pattern(text, tuple(_part(word) for word in _words(text)))
    names = pattern.names
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{text!r} captures {name!r} twice; give each its own name")
    if any(part.rest for part in pattern.parts[:-1]):
        raise ValueError(f"{text!r}: what captures the rest stands at the end")
    return pattern


def words_of(text: str) -> Iterator[Word]:
    """The words of a message; what stands in quotes is one."""
    place, end = 0, len(text)
    while place < end:
        if text[place].isspace():
            place += 1
            continue
        start = place
        closing = _closing(text, start)
        if closing is not None:
            place = closing + 1
            yield Word(text[start + 1 : closing], start, quoted=True)
            continue
        while place < end and not text[place].isspace():
            place += 1
        yield Word(text[start:place], start)


def _closing(text: str, start: int) -> int | None:
    """Where the quotes that begin there end, with nothing but space behind them."""
    close = _QUOTES.get(text[start])
    at = -1 if close is None else text.find(close, start + 1)
    if at < 0 or (at + 1 < len(text) and not text[at + 1].isspace()):
        return None
    return at


def _words(text: str) -> list[str]:
    """Space within braces does not part words."""
    return _HOLE.sub(lambda hole: f"{{{hole[1]}{hole[2] or ''}}}", text).split()


def _part(word: str) -> Part:
    holes = list(_HOLE.finditer(word))
    if not holes:
        if "{" in word or "}" in word:
            raise ValueError(
                f"{word!r} is not a capture; write {{name}}, or {{name...}} at the end"
            )
        return Part(word.casefold())
    if len(holes) > 1:
        raise ValueError(f"{word!r}: put a space between what is captured")
    before, after = word[: holes[0].start()], word[holes[0].end() :]
    if "{" in before + after or "}" in before + after:
        raise ValueError(f"{word!r} is not a capture; write {{name}}")
    if holes[0][2] and (before or after):
        raise ValueError(f"{word!r}: what captures the rest stands alone")
    return Part(before.casefold(), holes[0][1], bool(holes[0][2]), after.casefold())
