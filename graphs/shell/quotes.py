"""Read quotes and expansions as bash does, and the holes among them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .script import HOLE, QUOTED, SPLIT, Hole, Quote, Script, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_PARAMETER = "a value inside ${…} may be evaluated"
IN_ARITHMETIC = "a value inside arithmetic would be evaluated: calculate it in the expression"
IN_BACKTICKS = "a value inside `…` cannot be placed: write $(…) instead"
IN_PATTERN = "a value inside an extended pattern cannot be placed"

_PLAIN = re.compile(r"[^\0\\'\"$`<>()|;& \t\n?*+@!=\[\]{}]+")
_PARAMETER = re.compile(r"\$(?:[A-Za-z_]\w*|[@*#?$!0-9-])", re.ASCII)
_EVALUATED = re.compile(
    r"\$\{[!#]?\w+(?P<subscript>\[[^\]]*\])?(?P<offset>:(?![-=?+]).*)?", re.DOTALL
)
_DEEPEST = 40


class Quotes(ABC):
    """A cursor over `text`; what it finds goes into `script`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.end = len(text)
        self.script = Script(text)
        self.depth = 0
        self._forbidden: str | None = None
        self._file = False
        self._nesting = 0

    @abstractmethod
    def substitution(self, mark: str) -> str:
        """Read the commands of `$(…)`, `<(…)` or `>(…)`, whose opening is consumed."""

    def piece(self, char: str) -> str:
        """Read one piece of an unquoted word; return it without its quotes."""
        if char == HOLE:
            return self.hole(Quote.BARE)
        if char == "\\":
            return self._escape()
        if char == "'":
            return self._single()
        if char == '"':
            return self._double()
        if char == "$":
            return self.dollar()
        if char == "`":
            return self.backticks(SPLIT)
        if char in "<>":
            self.at += 2
            return self.substitution(QUOTED)
        if char in "?*+@!" and self.text.startswith("(", self.at + 1):
            self.at += 1
            self.enclosed("(", ")", IN_PATTERN)
            return SPLIT
        plain = _PLAIN.match(self.text, self.at, self.end)
        self.at = plain.end() if plain else self.at + 1
        return plain[0] if plain else char

    def hole(self, quote: Quote) -> str:
        hole = Hole(self.at, quote, self.depth, self._file)
        self.script.holes.append(hole)
        if self._forbidden and quote is not Quote.COMMENT:
            self.script.refuse(hole, self._forbidden)
        self.at += 1
        return HOLE

    def _escape(self) -> str:
        self.at += 1
        if self.at >= self.end:
            return ""
        char = self.text[self.at]
        if char == HOLE:
            with self.forbid("a value after \\ cannot be placed"):
                return self.hole(Quote.BARE)
        self.at += 1
        return "" if char == "\n" else char

    def _single(self) -> str:
        opening, first = self.at, self.at + 1
        self.at = first
        while self.at < self.end:
            char = self.text[self.at]
            if char == "'":
                self.at += 1
                return self.text[first : self.at - 1]
            if char == HOLE:
                self.hole(Quote.SINGLE)
            else:
                self.at += 1
        raise Unreadable(opening, "' is never closed")

    def _ansi(self) -> str:
        """Read `$'…'`."""
        opening, self.at = self.at, self.at + 2
        text: list[str] = []
        while self.at < self.end:
            char = self.text[self.at]
            if char == "'":
                self.at += 1
                return "".join(text)
            if char == HOLE:
                text.append(self.hole(Quote.ANSI))
            elif char == "\\":
                text.append(self._escape())
            else:
                text.append(char)
                self.at += 1
        raise Unreadable(opening, "$' is never closed")

    def _double(self) -> str:
        opening, self.at = self.at, self.at + 1
        text: list[str] = []
        while self.at < self.end:
            if self.text[self.at] == '"':
                self.at += 1
                return "".join(text)
            text.append(self.quoted_piece(Quote.DOUBLE))
        raise Unreadable(opening, '" is never closed')

    def quoted_piece(self, quote: Quote) -> str:
        """Read one piece of a text in which only `$`, backticks and backslashes are special."""
        char = self.text[self.at]
        if char == HOLE:
            return self.hole(quote)
        if char == "\\":
            escaped = self._escape()
            return escaped if escaped in ("", "$", "`", '"', "\\", HOLE) else "\\" + escaped
        if char == "$":
            return self.dollar(quoted=True)
        if char == "`":
            return self.backticks(QUOTED)
        self.at += 1
        return char

    def dollar(self, *, quoted: bool = False) -> str:
        mark = QUOTED if quoted else SPLIT
        following = self.text[self.at + 1 : self.at + 2] if self.at + 1 < self.end else ""
        if following == HOLE:
            self.at += 1
            with self.forbid("a value after $ cannot be placed"):
                return self.hole(Quote.BARE)
        if following == "(":
            return self._parenthesis(mark)
        if following == "{":
            return self._parameter(mark, quoted)
        if following == "[":
            return self._arithmetic("[", "]", mark)
        if not quoted and following == "'":
            return self._ansi()
        if not quoted and following == '"':
            self.at += 1
            return self._double()
        parameter = _PARAMETER.match(self.text, self.at, self.end)
        self.at = parameter.end() if parameter else self.at + 1
        if following == "@":
            return SPLIT
        return mark if parameter else "$"

    def _parenthesis(self, mark: str) -> str:
        if self.text.startswith("((", self.at + 1):
            return self._arithmetic("(", ")", mark)
        self.at += 2
        return self.substitution(mark)

    def _arithmetic(self, opening: str, closing: str, mark: str) -> str:
        start, self.at = self.at, self.at + 1
        self.enclosed(opening, closing, IN_ARITHMETIC)
        self.script.evaluated.append(self.text[start + 1 : self.at])
        return mark

    def _parameter(self, mark: str, quoted: bool) -> str:
        start, self.at = self.at, self.at + 1
        self.enclosed("{", "}", IN_PARAMETER, quoted=quoted)
        found = _EVALUATED.match(self.text, start, self.at)
        if found:
            self.script.evaluated += filter(None, found.group("subscript", "offset"))
        return SPLIT if "@" in self.text[start : self.at] else mark

    def backticks(self, mark: str) -> str:
        opening, self.at = self.at, self.at + 1
        with self.forbid(IN_BACKTICKS):
            while self.at < self.end:
                char = self.text[self.at]
                if char == HOLE:
                    self.hole(Quote.BARE)
                elif char == "\\":
                    self._escape()
                else:
                    self.at += 1
                if char == "`":
                    return mark
        raise Unreadable(opening, "` is never closed")

    def enclosed(self, opening: str, closing: str, reason: str, *, quoted: bool = False) -> None:
        """Skip a balanced `(…)`, `[…]` or `{…}` in which every hole is refused for `reason`."""
        start, open_ones = self.at, 1
        self.at += 1
        with self.forbid(reason), self.nested():
            while self.at < self.end:
                char = self.text[self.at]
                if char in (opening, closing):
                    self.at += 1
                    # Braces do not nest by themselves: `${a:-{}` is closed by its first }.
                    open_ones += (char == opening != "{") - (char == closing)
                    if not open_ones:
                        return
                elif char == "$":
                    self.dollar(quoted=quoted)
                elif char in "\0\\'\"`":
                    self.piece(char)
                else:
                    self.at += 1
        raise Unreadable(start, f"{opening} is never closed")

    @contextmanager
    def forbid(self, reason: str) -> Iterator[None]:
        """Refuse every hole read meanwhile; the outermost reason is told."""
        before = self._forbidden
        self._forbidden = before or reason
        try:
            yield
        finally:
            self._forbidden = before

    @contextmanager
    def nested(self) -> Iterator[None]:
        self._nesting += 1
        if self._nesting > _DEEPEST:
            raise Unreadable(self.at, f"the command is nested more than {_DEEPEST} levels deep")
        yield
        self._nesting -= 1
