"""Where a word may not hold a value, because its command would run it as program text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .interpreters import NESTED, SHELLS, Role, interpreter, unversioned
from .script import HOLE, QUOTED, SPLIT, Command, Hole, Script, Word, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

EVALUATING = listed(
    "eval let declare typeset local read unset mapfile readarray getopts trap alias source ."
    " compgen complete compopt enable bind fc hash wait"
)
"""Builtins that evaluate, or may evaluate, any of their words."""

ARITHMETIC_TESTS = listed("-eq -ne -lt -le -gt -ge")

SPECIAL = listed(
    "RANDOM SRANDOM SECONDS LINENO OPTIND HISTCMD BASH_ENV ENV BASH_ALIASES BASH_CMDS"
    " SHELLOPTS BASHOPTS PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4"
)
"""Variables whose value bash evaluates, or takes its settings from."""

_FIND_COMMANDS = listed("-exec -execdir -ok -okdir")
_INTEGERS = listed("declare typeset local")
_PRINTERS = listed("echo printf cat")
_DEEPEST = 16
_VARIABLE = re.compile(r"([A-Za-z_]\w*)\+?=", re.ASCII)

PROGRAM_TEXT = "a value here would be program text of `%s`: pass it as an argument"
INPUT = "a value here would be program text of `%s`, which reads it from its input"
COMMAND_NAME = "a value may not name the command"
PRINTF_FORMAT = "printf reads % and \\ in this value: write '%s' and pass it as an argument"
SHIFTED = "a value may become the command if an expansion before it is empty: put that in quotes"
QUOTE_IT = 'write "$(…)"'


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A program that runs the command in its arguments, after `operands` of its own."""

    takes: frozenset[str] = frozenset()
    operands: int = 0

    def takes_next(self, option: str) -> bool:
        """Whether the option takes the next word: `-u`, `-nu`, but not `-uroot`."""
        if option.startswith("--"):
            return option in self.takes
        letters = [letter for letter in option[1:] if "-" + letter in self.takes]
        return bool(letters) and option.index(letters[0]) == len(option) - 1


def _prefix(takes: str = "", operands: int = 0) -> _Prefix:
    return _Prefix(listed(takes), operands)


_PREFIXES = {
    **dict.fromkeys(listed("builtin nohup setsid doas"), _prefix("-u -C")),
    "command": _prefix(),
    "exec": _prefix("-a"),
    "env": _prefix("-u -C --unset --chdir --argv0"),
    "nice": _prefix("-n --adjustment"),
    "ionice": _prefix("-c -n -p --class --classdata"),
    "stdbuf": _prefix("-i -o -e --input --output --error"),
    "time": _prefix("-f -o --format --output"),
    "timeout": _prefix("-k -s --kill-after --signal", operands=1),
    "flock": _prefix("-w -E --timeout", operands=1),
    "chroot": _prefix(operands=1),
    "sudo": _prefix("-u -g -p -C -h -R -r -t -T -U -D --user --group --chdir --prompt --host"),
    "strace": _prefix("-e -o -p -s -u"),
    "xargs": _prefix("-E -I -L -n -P -s -d -a --max-args --max-procs --delimiter --arg-file"),
}


def check(script: Script) -> None:
    """Refuse, in `script`, every hole whose place would run its value."""
    for command in script.commands:
        if command.words:
            _Check(script, command).words(command.words)
    _check_variables(script)


@dataclass(frozen=True, slots=True)
class _Check:
    script: Script
    command: Command

    def words(self, words: Sequence[Word], depth: int = 0) -> None:
        """Check one command, or the one inside `depth` others."""
        name, rest = words[0].name, words[1:]
        self._run(words[0])
        if words[0].holes:
            self._refuse(words[0].holes, COMMAND_NAME)
        elif depth > _DEEPEST:
            for word in rest:
                self._refuse(word.holes, "the command is inside too many others")
        elif words[0].vanishes and rest:
            self._refuse(rest[0].holes, SHIFTED)
            self.words(rest, depth + 1)
            self._nested(words)
        elif name in _PREFIXES:
            self._prefixed(name, rest, depth)
        elif name in EVALUATING:
            for word in rest:
                self._refuse(word.holes, f"`{name}` may evaluate a value")
                self._run(word)
        elif name in ("export", "readonly"):
            self._exported(name, rest)
        elif name in ("test", "["):
            self._test(rest)
        elif name == "[[":
            self._condition(rest)
        elif name == "printf":
            self._printf(rest)
        elif name == "find":
            self._find(rest, depth)
        elif interpreter(name):
            self._interpreter(words)
        else:
            self._nested(words)

    def _run(self, word: Word) -> None:
        if word.expands:
            self.script.run.append(word.raw)

    def _refuse(self, holes: Sequence[Hole], message: str) -> None:
        self.script.refuse_all(holes, message)

    def _prefixed(self, name: str, words: Sequence[Word], depth: int) -> None:
        """Check the command behind `env`, `timeout 5`, `sudo -u root` and the like."""
        prefix = _PREFIXES[name]
        operands = prefix.operands
        shifted = False
        while words:
            word, after = words[0], 1
            if name == "command" and word.text in ("-v", "-V"):
                return
            if name == "env" and word.text.startswith(("-S", "--split-string")):
                for argument in words:
                    self._refuse(argument.holes, "`env -S` reads its argument as a command")
                return
            if word.text.startswith("-"):
                self._refuse(word.holes, f"a value may not be an option of `{name}`")
                after += prefix.takes_next(word.text)
            elif operands:
                operands -= 1
            elif not (name in ("env", "sudo") and _VARIABLE.match(word.text)):
                self.words(words, depth + 1)
                return
            loose = [argument for argument in words[:after] if SPLIT in argument.text]
            for argument in loose:
                self._run(argument)
            if loose and not shifted:
                shifted = True
                self._refuse([hole for each in words for hole in each.holes], SHIFTED)
            words = words[after:]

    def _refuse_split(self, word: Word) -> None:
        """Refuse an unquoted `$(…)` with a value: its words could be anything."""
        if SPLIT in word.text:
            self._refuse(word.contents, f"the words of $(…) may be a command here: {QUOTE_IT}")

    def _exported(self, name: str, words: Sequence[Word]) -> None:
        optional = any(word.text.startswith(("-", SPLIT, QUOTED)) for word in words)
        for word in words:
            if optional or not _VARIABLE.match(word.text):
                self._refuse(word.holes, f"`{name}` may evaluate a value that is not behind NAME=")

    def _test(self, words: Sequence[Word]) -> None:
        """`-v` evaluates a subscript, and a value may be the word `-v`."""
        for before, word in zip([None, *words], words, strict=False):
            if before and before.text in ("-v", "-R"):
                self._refuse(word.holes, f"`{before.text}` evaluates a value")
            variable = word.holes or word.text.startswith((SPLIT, QUOTED))
            if before and variable and before.text.startswith((HOLE, QUOTED)):
                self._refuse(before.contents, "a value may be an operator of this test")
            self._refuse_split(word)

    def _condition(self, words: Sequence[Word]) -> None:
        texts = [word.text for word in words]
        if ARITHMETIC_TESTS.intersection(texts) or "-v" in texts or "-R" in texts:
            for word in words:
                self._refuse(
                    word.contents, "[[ … ]] with arithmetic or -v evaluates a value: use [ … ]"
                )

    def _printf(self, words: Sequence[Word]) -> None:
        while len(words) > 1 and words[0].vanishes and not words[0].holes:
            words = words[1:]
        if words and words[0].text.startswith("-v"):
            options = 2 if words[0].text == "-v" else 1
            for word in words[:options]:
                self._refuse(word.holes, "`printf -v` evaluates a value")
            words = words[options:]
        elif words and words[0].text == "--":
            words = words[1:]
        elif words and words[0].text.startswith((HOLE, SPLIT, QUOTED)):
            self._refuse(words[0].contents, "a value may be an option of printf: write '%s' first")
        for hole in words[0].contents if words else ():
            self.script.warnings.setdefault(hole.at, PRINTF_FORMAT)

    def _find(self, words: Sequence[Word], depth: int) -> None:
        inside: list[Word] | None = None
        for word in words:
            self._refuse_split(word)
            if inside is None:
                inside = [] if word.text in _FIND_COMMANDS else None
            elif word.text not in (";", "+"):
                inside.append(word)
            elif inside:
                self.words(inside, depth + 1)
                inside = None
        if inside:
            self.words(inside, depth + 1)

    def _interpreter(self, words: Sequence[Word]) -> None:
        name = words[0].name
        found = interpreter(name)
        if found is None:
            return
        for word, role in found.roles(words[1:]):
            if role is Role.PROGRAM:
                self._refuse(word.holes, PROGRAM_TEXT % name)
                self._run(word)
            elif role is Role.FILE and found.flag and word.text[:1] in (HOLE, SPLIT, QUOTED):
                self._refuse(word.holes, f"a value may not name the script of `{name}`")
                self._run(word)
            elif role is Role.UNCLEAR:
                self._run(word)
                self._refuse(
                    word.holes,
                    f"`{name}` may take a value here for program text or an option: write -- first",
                )
        if found.reads_program(words[1:]):
            self._input(name)

    def _input(self, name: str) -> None:
        """Refuse what becomes the input of an interpreter that reads its program there.

        Of what is piped into a shell every value is refused, even the address that `curl` has.
        """
        self._refuse(self.command.fed, INPUT % name)
        self.script.run += self.command.input
        upstream = self.command.upstream
        shell = unversioned(name) in SHELLS
        while upstream is not None and not upstream.drained:
            words = upstream.words
            if shell or (words and words[0].name in _PRINTERS):
                self._refuse([hole for word in words for hole in word.contents], INPUT % name)
                self._refuse(upstream.fed, INPUT % name)
                self.script.run += upstream.input
                for word in words:
                    self._run(word)
            if not shell:
                return
            upstream.drained = True
            upstream = upstream.upstream

    def _nested(self, words: Sequence[Word]) -> None:
        """Look for `sh -c TEXT` in the words of a program not known here, such as docker."""
        if words[0].expands:
            for before, word in pairwise(words):
                if re.fullmatch("-[A-Za-z]*c", before.text):
                    self._refuse(word.holes, "a value after -c may be program text")
        for at, word in enumerate(words[1:], 1):
            if word.holes or unversioned(word.name) not in NESTED:
                continue
            found = interpreter(word.name)
            for argument, role in found.roles(words[at + 1 :]) if found else ():
                if role is Role.PROGRAM:
                    self._refuse(argument.holes, PROGRAM_TEXT % word.name)
                    self._run(argument)
                if role in (Role.PROGRAM, Role.FILE):
                    break
            if at == len(words) - 1:
                self._input(word.name)


def integers(script: Script) -> set[str]:
    """Return the names declared with `-i` (an assignment calculates) or `-n` (it names)."""
    found: set[str] = set()
    for command in script.commands:
        words = [word.text for word in command.words]
        if not _INTEGERS.isdisjoint(words):
            options = "".join(word for word in words[1:] if word.startswith("-"))
            if "i" in options or "n" in options:
                found.update(word.partition("=")[0] for word in words[1:])
    return found


def _check_variables(script: Script) -> None:
    evaluated = SPECIAL | integers(script)
    for assignment in script.assignments:
        if assignment.name in evaluated:
            script.refuse_all(assignment.holes, f"bash evaluates the value of {assignment.name}")
        if assignment.name in SPECIAL:
            script.run.append(assignment.raw)
    for command in script.commands:
        for word in command.words[1:]:
            named = _VARIABLE.match(word.text)
            if named and named[1] in evaluated:
                script.refuse_all(word.holes, f"bash evaluates the value of {named[1]}")
