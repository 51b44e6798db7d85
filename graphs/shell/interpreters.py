"""Programs that take the text of a program: which of their words it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from .script import HOLE, QUOTED, SPLIT, Word, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Role(Enum):
    """What a word is to an interpreter."""

    PROGRAM = auto()
    FILE = auto()
    OPTION = auto()
    DATA = auto()
    UNCLEAR = auto()
    """It begins with a value or an expansion, so that it may turn out to be an option."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How a program reads its arguments.

    `code` options are followed by program text, `files` options by a file of it, `module` options
    by the last word it reads itself; `takes` and `takes_two` by one and two plain words.
    `operands` are the roles of its operands, the last one repeated. `flag`: its code option makes
    the first operand the program. `permutes`: it finds options behind operands too.
    """

    code: frozenset[str]
    files: frozenset[str] = frozenset()
    module: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    takes_two: frozenset[str] = frozenset()
    operands: tuple[Role, ...] = (Role.FILE, Role.DATA)
    flag: bool = False
    permutes: bool = False

    def roles(self, words: Sequence[Word]) -> Iterator[tuple[Word, Role]]:
        """Yield each argument with its role; a glued option (`-cTEXT`) has the role of TEXT."""
        reading = _Reading(self)
        for word in words:
            yield word, reading.role(word)

    def reads_program(self, words: Sequence[Word]) -> bool:
        """Whether its standard input is its program."""
        reading = _Reading(self)
        roles = {reading.role(word) for word in words}
        if any(word.text == ("-s" if self.flag else "-") for word in words):
            return True
        if reading.programmed or not roles.isdisjoint({Role.PROGRAM, Role.FILE}):
            return False
        return reading.shifted or Role.UNCLEAR not in roles


@dataclass(slots=True)
class _Reading:
    spec: Interpreter
    owed: list[Role] = field(default_factory=list)
    operands: int = 0
    ended: bool = False
    programmed: bool = False
    closes: bool = False
    shifted: bool = False

    def role(self, word: Word) -> Role:
        if SPLIT in word.text and word.contents and not self.ended:
            return Role.UNCLEAR
        if word.vanishes and not self.ended:
            self.shifted = True
            return Role.UNCLEAR
        role = self._role(word)
        return Role.UNCLEAR if self.shifted and role is not Role.PROGRAM else role

    def _role(self, word: Word) -> Role:
        if self.owed:
            self.ended = self.ended or self.closes
            return self.owed.pop()
        text = word.text
        if not self.ended:
            if text == "--" or (text == "-" and self.spec.flag):
                self.ended = True
                self.shifted = False
                return Role.OPTION
            if text[:1] in ("-", "+") and len(text) > 1:
                return self._option(text)
            if text[:1] in (HOLE, SPLIT, QUOTED):
                return self._operand(Role.UNCLEAR)
        return self._operand(None)

    def _operand(self, unclear: Role | None) -> Role:
        spec = self.spec
        roles = spec.operands
        role = roles[min(self.operands, len(roles) - 1)]
        if spec.flag and self.programmed:
            role = Role.DATA if self.operands else Role.PROGRAM
        elif self.programmed:
            role = Role.DATA
        self.operands += 1
        if not spec.permutes:
            self.ended = True
        return role if role is Role.PROGRAM else unclear or role

    def _option(self, text: str) -> Role:
        spec = self.spec
        name, equals, _ = text.partition("=")
        if text.startswith("--") or name in spec.code | spec.takes_two:
            return self._named(name, bool(equals), HOLE in name)
        for index, letter in enumerate(text[1:], 2):
            if letter in (HOLE, SPLIT, QUOTED):
                return Role.UNCLEAR
            role = self._named(text[0] + letter, index < len(text), False, flag=True)
            if role is not Role.OPTION or self.owed:
                return role
        return Role.OPTION

    def _named(self, name: str, glued: bool, unclear: bool, *, flag: bool = False) -> Role:
        spec = self.spec
        if name in spec.code:
            self.programmed = True
            if spec.flag:
                return Role.OPTION
            self.closes = bool(spec.module)
            return Role.PROGRAM if glued else self._owes(Role.PROGRAM)
        if name in spec.module | spec.files:
            self.programmed = True
            self.closes = name in spec.module
            self.ended = glued and self.closes
        if name in spec.takes | spec.module | spec.files:
            return Role.DATA if glued else self._owes(Role.DATA)
        if name in spec.takes_two:
            return self._owes(Role.DATA, Role.DATA)
        return Role.UNCLEAR if unclear else Role.OPTION

    def _owes(self, *roles: Role) -> Role:
        self.owed = list(roles)
        return Role.OPTION


def interpreter(name: str) -> Interpreter | None:
    """Return how the program of that name (`python3.12`, `bash`) reads its arguments."""
    return _INTERPRETERS.get(unversioned(name))


def unversioned(name: str) -> str:
    """`python3.12` is `python`."""
    return re.sub(r"(?<=[a-z])[-0-9.]+$", "", name)


_SHELL = Interpreter(listed("-c"), takes=listed("-o -O +o +O --rcfile --init-file"), flag=True)
_PYTHON = Interpreter(listed("-c"), module=listed("-m"), takes=listed("-W -X"))
_NODE = Interpreter(listed("-e -p --eval --print"), takes=listed("-r --require --import"))
_AWK = Interpreter(
    listed("-e --source"),
    listed("-f --file"),
    takes=listed("-F -v --field-separator --assign"),
    operands=(Role.PROGRAM, Role.DATA),
)
_SED = Interpreter(
    listed("-e --expression"),
    listed("-f --file"),
    takes=listed("-l --line-length"),
    operands=(Role.PROGRAM, Role.DATA),
    permutes=True,
)
_JQ = Interpreter(
    frozenset(),
    files=listed("-f --from-file"),
    takes=listed("-L --indent"),
    takes_two=listed("--arg --argjson --slurpfile --rawfile"),
    operands=(Role.PROGRAM, Role.DATA),
)
_PSQL = Interpreter(
    listed("-c --command"),
    takes=listed(
        "-d -f -v -L -o -F -P -R -T -h -p -U --dbname --file --set --variable --output --host"
        " --port --username"
    ),
    operands=(Role.DATA,),
    permutes=True,
)
_MYSQL = Interpreter(
    listed("-e --execute --init-command"),
    takes=listed("-h -u -P -D -S --host --user --port --database --socket"),
    operands=(Role.DATA,),
    permutes=True,
)
_SQLITE = Interpreter(
    listed("-cmd -c -s"),
    takes=listed("-init -separator -newline -nullvalue"),
    operands=(Role.DATA, Role.PROGRAM),
    permutes=True,
)
_SSH = Interpreter(
    frozenset(),
    takes=listed("-b -B -c -D -E -e -F -I -i -J -L -l -m -O -o -p -P -Q -R -S -W -w"),
    operands=(Role.DATA, Role.PROGRAM),
    permutes=True,
)
_JOINED = Interpreter(
    frozenset(), takes=listed("-n --interval -j --jobs"), operands=(Role.PROGRAM,)
)
_USER = Interpreter(listed("-c --command"), operands=(Role.DATA,), permutes=True)
_ONE_LINERS = Interpreter(listed("-e -E"), takes=listed("-I -M -C -r -m"))

SHELLS = listed("sh bash dash zsh ksh ash fish")

NESTED = SHELLS | listed("python pypy perl ruby node")
"""Programs looked for anywhere in a command: `docker run IMAGE python -c …`."""

_INTERPRETERS = {
    **dict.fromkeys(SHELLS, _SHELL),
    **dict.fromkeys(listed("python pypy"), _PYTHON),
    **dict.fromkeys(listed("perl ruby lua Rscript osascript julia elixir"), _ONE_LINERS),
    **dict.fromkeys(listed("node nodejs bun"), _NODE),
    "php": Interpreter(listed("-r -B -R -E"), listed("-f"), takes=listed("-d -c")),
    **dict.fromkeys(listed("awk gawk mawk nawk"), _AWK),
    **dict.fromkeys(listed("sed gsed"), _SED),
    **dict.fromkeys(listed("jq gojq jaq yq"), _JQ),
    "psql": _PSQL,
    **dict.fromkeys(listed("mysql mariadb"), _MYSQL),
    **dict.fromkeys(listed("sqlite duckdb"), _SQLITE),
    "ssh": _SSH,
    **dict.fromkeys(listed("watch parallel"), _JOINED),
    **dict.fromkeys(listed("su runuser"), _USER),
}
