"""Read words, comments and here-documents as bash does."""

from __future__ import annotations

import re
from abc import abstractmethod

from .quotes import IN_PATTERN, Quotes
from .script import HOLE, Command, Quote, Unreadable, Word

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
ASSIGNMENT = re.compile(rf"({NAME})(\[.*?\])?\+?=", re.DOTALL)

IN_SUBSCRIPT = "a value in an array subscript would be evaluated"
IN_DOCUMENT = "a value inside an expansion of a here-document cannot be placed"

_NAME = re.compile(NAME)
_BREAKS = " \t\n;&|()<>"
_ARRAY = re.compile(rf"{NAME}(\[.*\])?\+?=", re.DOTALL)
_LOGICAL_LINE = re.compile(r"(?:[^\\\n]|\\.|\\\Z)*", re.DOTALL)


class Words(Quotes):
    """Reads one word, comment or here-document at a time."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.pending: list[HereDocument] = []

    @abstractmethod
    def commands(self, closers: frozenset[str]) -> str:
        """Read commands up to one of `closers`, which is consumed and returned."""

    def word(self, *, assigns: bool = False, regex: bool = False) -> Word:
        """Read one word. `assigns`: it may be an assignment, so `a[…]=` and `a=(…)` are read."""
        start, first = self.at, len(self.script.holes)
        text: list[str] = []
        while self.at < self.end:
            char = self.text[self.at]
            if regex and char in "(|":
                text.append(self._regex_part(char))
            elif assigns and char == "[" and _NAME.fullmatch(self.text, start, self.at):
                text.append(self._subscript())
            elif assigns and char == "(" and _ARRAY.fullmatch(self.text, start, self.at):
                self._array()
            elif self._breaks(char):
                break
            else:
                text.append(self.piece(char))
        holes = tuple(self.script.holes[first:])
        raw = self.text[start : self.at].replace("\\\n", "")
        return Word(start, raw, "".join(text), self.depth, holes)

    def file(self) -> Word:
        """Read the word that names the file of a redirection."""
        before, self._file = self._file, True
        try:
            return self.word()
        finally:
            self._file = before

    def blanks(self) -> None:
        """Skip blanks, continued lines and a comment, whose holes are dropped."""
        while self.at < self.end:
            if self.text[self.at] in " \t":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] == "#":
                stop = self.text.find("\n", self.at)
                stop = self.end if stop < 0 else min(stop, self.end)
                while self.at < stop:
                    if self.text[self.at] == HOLE:
                        self.hole(Quote.COMMENT)
                    else:
                        self.at += 1
            else:
                return

    def _breaks(self, char: str) -> bool:
        if char in "<>":
            return not self.text.startswith("(", self.at + 1)
        return char in _BREAKS

    def newline(self) -> None:
        """Consume a newline, and with it the bodies of the here-documents it was waited for."""
        self.at += 1
        pending, self.pending = self.pending, []
        for document in pending:
            self._body(document)

    def _body(self, document: HereDocument) -> None:
        start, first = self.at, len(self.script.holes)
        stop = self._body_end(document)
        after, self.at = self.at, start
        if HOLE in self.text[start:stop]:
            end, self.end = self.end, stop
            if document.quoted:
                self._quoted_body(document)
            else:
                self._open_body()
            self.end = end
        self.at = after
        document.command.fed += self.script.holes[first:]
        if not document.quoted:
            document.command.input.append(self.text[start:stop])

    def _body_end(self, document: HereDocument) -> int:
        """Find where the body ends, and move behind the line with the delimiter."""
        while self.at < self.end:
            start = self.at
            if document.quoted:
                stop = self.text.find("\n", start)
                stop = self.end if stop < 0 else min(stop, self.end)
                line = self.text[start:stop]
            else:
                found = _LOGICAL_LINE.match(self.text, start, self.end)
                stop = found.end() if found else self.end
                line = re.sub(r"\\(\n|.)", _joined, self.text[start:stop])
            self.at = min(stop + 1, self.end)
            if (line.lstrip("\t") if document.strips_tabs else line) == document.delimiter:
                return start
        return self.end

    def _open_body(self) -> None:
        while self.at < self.end:
            if self.text[self.at] in "$`":
                with self.forbid(IN_DOCUMENT):
                    self.quoted_piece(Quote.HERE_DOCUMENT)
            else:
                self.quoted_piece(Quote.HERE_DOCUMENT)

    def _quoted_body(self, document: HereDocument) -> None:
        """Let a body that bash takes as it stands be expanded: unquote it, escape the rest."""
        if not re.fullmatch(r"[\w.-]+", document.delimiter):
            raise Unreadable(document.at, "the delimiter of a here-document with a value is odd")
        edits = self.script.edits
        edits.append((document.at, document.at + len(document.written), document.delimiter))
        while self.at < self.end:
            char = self.text[self.at]
            if char == HOLE:
                self.hole(Quote.HERE_DOCUMENT)
                continue
            if char in "\\$`":
                edits.append((self.at, self.at, "\\"))
            self.at += 1

    def _regex_part(self, char: str) -> str:
        if char == "(":
            self.enclosed("(", ")", IN_PATTERN)
        else:
            self.at += 1
        return char

    def _subscript(self) -> str:
        start = self.at
        self.enclosed("[", "]", IN_SUBSCRIPT)
        self.script.evaluated.append(self.text[start : self.at])
        return "[]"

    def _array(self) -> None:
        """Read `(…)` of `a=(…)`; a `[subscript]=` in it is evaluated."""
        opening = self.at
        self.at += 1
        while self.at < self.end:
            self.blanks()
            if self.at >= self.end:
                break
            if self.text[self.at] == ")":
                self.at += 1
                return
            if self.text[self.at] == "\n":
                self.newline()
            elif self.text[self.at] == "[":
                self._subscript()
                self.word()
            elif self._breaks(self.text[self.at]):
                raise Unreadable(self.at, "an operator inside a=(…)")
            else:
                self.word()
        raise Unreadable(opening, "( is never closed")

    def substitution(self, mark: str) -> str:
        """Read the commands of `$(…)`, `<(…)` or `>(…)`, whose opening is consumed."""
        pending, self.pending = self.pending, []
        file, self._file = self._file, False
        self.depth += 1
        with self.nested():
            self.commands(frozenset(")"))
        if self.pending:
            raise Unreadable(self.pending[0].at, "the here-document does not end before )")
        self.depth -= 1
        self.pending, self._file = pending, file
        return mark


class HereDocument:
    """A here-document whose body has not been reached yet."""

    __slots__ = ("at", "command", "delimiter", "quoted", "strips_tabs", "written")

    def __init__(self, at: int, written: str, strips_tabs: bool, command: Command) -> None:
        self.at = at
        self.written = written
        self.strips_tabs = strips_tabs
        self.command = command
        self.quoted = re.search(r"['\"\\]", written) is not None
        self.delimiter = re.sub(r"\\(.)|['\"]", lambda match: match[1] or "", written)


def _joined(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[0]
