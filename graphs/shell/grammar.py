"""Read commands as bash does: where one begins, and which words, redirections and holes it has."""

from __future__ import annotations

import re

from .quotes import IN_ARITHMETIC
from .script import HOLE, Assignment, Command, Script, Unreadable, Word, listed
from .words import ASSIGNMENT, IN_SUBSCRIPT, NAME, HereDocument, Words

DECLARING = listed("declare typeset local export readonly")

_PLAIN_KEYWORDS = listed("if then elif else fi while until do done { } ! esac")
_WORD_END = r"(?=[\s;&|()<>]|\Z)"
_IN = re.compile("in" + _WORD_END)
_ESAC = re.compile("esac" + _WORD_END)
_TIME_OPTIONS = re.compile(rf"(?:[ \t]+(?:-p|--){_WORD_END})*")
_OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|[;|\n)]|&(?!>)")
_CONDITION_OPERATOR = re.compile(r"&&|\|\||[()]|[<>](?!\()")
_PARENTHESES = re.compile(r"\([ \t]*\)")
_REDIRECTION = re.compile(
    rf"(?:[0-9]+|\{{{NAME}\}})?(&>>?|(?:<<<|<<-?|<>|<&|>&|>>|>\||[<>])(?!\())"
)
_DELIMITER = re.compile(
    rf"(?:'[^'\n\0]*'|\"[^\"\\$`\n\0]*\"|\\[^\n\0]|[^\s;&|<>()'\"\\$`\0])+{_WORD_END}"
)
_CLAUSE_END = frozenset({";;", ";&", ";;&", "esac"})
_CLOSERS = _CLAUSE_END | {")"}


def read(text: str) -> Script:
    """Read a text in which HOLE stands for each hole. Raises `Unreadable`."""
    grammar = Grammar(text)
    try:
        grammar.commands(frozenset())
    except Unreadable as error:
        error.script = grammar.script
        raise
    return grammar.script


class Grammar(Words):
    """Reads lists of commands; bash itself checks that `if` has its `fi`."""

    def commands(self, closers: frozenset[str]) -> str:
        opening = self.at
        last: Command | None = None
        piped = False
        while True:
            self.blanks()
            if self.at >= self.end:
                if closers:
                    raise Unreadable(opening, "what opens here is never closed")
                return ""
            if "esac" in closers and self._take(_ESAC):
                return "esac"
            operator = self._take(_OPERATOR)
            if operator in closers:
                return operator
            if operator in _CLOSERS:
                raise Unreadable(self.at - len(operator), f"{operator} closes nothing")
            if operator == "\n":
                self.newline()
            elif operator:
                piped = operator in ("|", "|&")
            else:
                start = self.at
                last = self._command(last if piped else None)
                piped = False
                if self.at == start:
                    raise Unreadable(start, "no command begins like this")

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Consume what the pattern matches here; a newline is left to `newline`."""
        match = pattern.match(self.text, self.at, self.end)
        if match is None:
            return ""
        if match[0] != "\n":
            self.at = match.end()
        return match[0]

    def _lines(self) -> None:
        """Skip blanks, comments and newlines."""
        self.blanks()
        while self.at < self.end and self.text[self.at] == "\n":
            self.newline()
            self.blanks()

    def _command(self, upstream: Command | None) -> Command | None:
        """Read a simple command, or as much of a compound one as leads to the next command."""
        if self.text.startswith("((", self.at):
            self._arithmetic_command()
            return None
        if self.text.startswith("(", self.at):
            self.at += 1
            with self.nested():
                self.commands(frozenset(")"))
            return None
        command = Command(upstream=upstream)
        prefixed = False
        while self.at < self.end and self.text[self.at] not in "\n;|)":
            if self._redirection(command):
                prefixed = True
            elif self.text[self.at] == "&":
                break
            elif self.text[self.at] == "(":
                self._function(command, prefixed)
                return None
            else:
                word = self._argument(command)
                if not command.words and not prefixed and self._keyword(word):
                    return None
                prefixed = self._place(word, command) or prefixed
            self.blanks()
        self.script.commands.append(command)
        return command

    def _argument(self, command: Command) -> Word:
        return self.word(assigns=not command.words or command.words[0].text in DECLARING)

    def _place(self, word: Word, command: Command) -> bool:
        """Add a word to its command; whether it is an assignment before the command."""
        assignment = ASSIGNMENT.match(word.raw)
        first = command.words[0].text if command.words else ""
        if assignment and (not first or first in DECLARING):
            if HOLE in assignment[0]:
                self.script.refuse_all(word.holes, IN_SUBSCRIPT)
            name, raw = assignment[1], word.raw[assignment.end() :]
            self.script.assignments.append(Assignment(name, raw, word.contents))
        if assignment and not first:
            return True
        command.words.append(word)
        return False

    def _function(self, command: Command, prefixed: bool) -> None:
        if len(command.words) != 1 or prefixed or not self._take(_PARENTHESES):
            raise Unreadable(self.at, "( is not expected here")
        self._name_function(command.words[0])

    def _name_function(self, name: Word) -> None:
        self.script.refuse_all(name.holes, "a value may not name a function")
        self.script.functions.add(name.text)

    def _arithmetic_command(self) -> None:
        start = self.at
        self.at += 1
        self.enclosed("(", ")", IN_ARITHMETIC)
        if not self.text.startswith(")", self.at):
            raise Unreadable(start, "(( does not end in )): write ( ( for a subshell in a subshell")
        self.at += 1
        self.script.evaluated.append(self.text[start : self.at])

    def _keyword(self, word: Word) -> bool:
        """Read what follows a reserved word, up to the next command."""
        if word.raw == "coproc":
            raise Unreadable(word.at, "coproc cannot be used in a command with values")
        if word.raw == "time":
            self._take(_TIME_OPTIONS)
        elif word.raw == "case":
            self._case(word)
        elif word.raw in ("for", "select"):
            self._loop()
        elif word.raw == "function":
            self.blanks()
            self._name_function(self.word())
            self.blanks()
            self._take(_PARENTHESES)
        elif word.raw == "[[":
            self._condition(word)
        else:
            return word.raw in _PLAIN_KEYWORDS
        return True

    def _case(self, keyword: Word) -> None:
        self.blanks()
        self.word()
        self._lines()
        if not self._take(_IN):
            raise Unreadable(keyword.at, "case without in")
        while self.at < self.end:
            self._lines()
            if self._take(_ESAC):
                return
            self._patterns()
            with self.nested():
                if self.commands(_CLAUSE_END) == "esac":
                    return
        raise Unreadable(keyword.at, "case without esac")

    def _patterns(self) -> None:
        if self.text.startswith("(", self.at):
            self.at += 1
        while True:
            self.blanks()
            self.word()
            self.blanks()
            separator = self.text[self.at : self.at + 1]
            if separator not in ("|", ")"):
                raise Unreadable(self.at, "a pattern of case does not end in )")
            self.at += 1
            if separator == ")":
                return

    def _loop(self) -> None:
        self.blanks()
        if self.text.startswith("((", self.at):
            self._arithmetic_command()
            return
        name = self.word()
        self.script.refuse_all(name.holes, "a value may not name a variable")
        self._lines()
        start, first = self.at, len(self.script.holes)
        if self._take(_IN):
            self.blanks()
            while self.at < self.end and self.text[self.at] not in "\n;":
                if not self.word().raw:
                    raise Unreadable(self.at, "an operator among the words of for")
                self.blanks()
        holes = tuple(hole for hole in self.script.holes[first:] if not hole.file)
        self.script.assignments.append(Assignment(name.raw, self.text[start : self.at], holes))

    def _condition(self, keyword: Word) -> None:
        """Read `[[ … ]]`; its words become a command named `[[`."""
        command = Command([keyword])
        while self.at < self.end:
            self._lines()
            matches = command.words[-1].raw == "=~"
            if not matches and self._take(_CONDITION_OPERATOR):
                continue
            word = self.word(regex=matches)
            if not word.raw:
                break
            command.words.append(word)
            if word.raw == "]]":
                self.script.commands.append(command)
                return
        raise Unreadable(keyword.at, "[[ is never closed")

    def _redirection(self, command: Command) -> bool:
        match = _REDIRECTION.match(self.text, self.at, self.end)
        if match is None:
            return False
        self.at = match.end()
        operator = match[1]
        self.blanks()
        if operator in ("<<", "<<-"):
            self._here_document(operator, command)
        elif operator == "<<<":
            word = self.word()
            command.fed += word.contents
            command.input += [word.raw] if word.expands else []
        else:
            target = self.file()
            if operator in ("<&", ">&"):
                # bash expands such a word twice, the second time as text of the script.
                self.script.refuse_all(target.holes, f"a value after {operator} would be evaluated")
                self.script.run += [target.raw] if target.expands else []
        return True

    def _here_document(self, operator: str, command: Command) -> None:
        start = self.at
        match = _DELIMITER.match(self.text, start, self.end)
        if match is None:
            at = start + max(self.word().raw.find(HOLE), 0)
            raise Unreadable(at, "the delimiter of a here-document must be plain text")
        self.at = match.end()
        self.pending.append(HereDocument(start, match[0], operator == "<<-", command))
