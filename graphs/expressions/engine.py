"""What an expression engine owes: read names, check types, evaluate plain JSON, never hang.

The loader and the runner know only this page; `cel.py` is the engine behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Protocol, TypeAlias

Value: TypeAlias = bool | int | float | str | list["Value"] | dict[str, "Value"] | None


class Absent(Enum):
    """The type of `ABSENT`: nothing is there, which is not the same as null."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT

Path: TypeAlias = tuple[str, ...]
Resolve: TypeAlias = Callable[[Path], Value | Absent]
"""Finds the value at a path of an expression. What it returns is read, never changed."""


class Type(StrEnum):
    """What a name may hold. `NUMBER` is JSON's (whole or not), `DYN` is known only at run time."""

    DYN = "dyn"
    BOOL = "bool"
    INT = "int"
    NUMBER = "number"
    STRING = "string"
    LIST = "list"
    MAP = "map"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Reference:
    """The longest chain `root.key['key']` at one place of an expression.

    `offset` counts characters from the start of the source to the root. `optional` says that
    the author expects that it may be absent: it is reached by `.?`, `[?]` or `has()`.
    """

    path: Path
    offset: int
    optional: bool = False


class ExpressionProblem(ValueError):
    """A source that cannot be accepted; the message says what, where in it, and what to do.

    `offset` counts characters into the source. `problems` holds every problem found in it,
    this one first.
    """

    def __init__(self, message: str, offset: int, others: Sequence[ExpressionProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.problems: tuple[ExpressionProblem, ...] = (self, *others)

    @classmethod
    def of(cls, found: Sequence[tuple[int, str]]) -> ExpressionProblem:
        """One problem that carries all of `found` (offset, message), in order of place."""
        first, *rest = sorted(dict.fromkeys(found))
        return cls(first[1], first[0], [cls(message, offset) for offset, message in rest])


class Expression(Protocol):
    """A checked expression. Immutable; may be evaluated by many threads at once."""

    @property
    def source(self) -> str: ...

    @property
    def references(self) -> tuple[Reference, ...]: ...

    @property
    def functions(self) -> frozenset[str]:
        """Names of the functions and methods that it calls."""

    @property
    def type(self) -> Type: ...

    def evaluate(self, resolve: Resolve) -> Value:
        """The value as plain JSON; of a condition always true or false.

        `resolve` is called with prefixes of the references only. Work and memory are bounded.
        Raises `errors.ExpressionError`, which quotes the expression.
        """


class Environment(Protocol):
    """The names and types that expressions of one scope may use."""

    def compile(self, source: str, *, condition: bool = False) -> Expression:
        """Check `source`; a `condition` must be true or false. Raises `ExpressionProblem`."""


class ExpressionEngine(Protocol):
    """A language for expressions."""

    def environment(self, names: Mapping[str, Type]) -> Environment:
        """A scope of `names`: roots (`inputs`) and dotted names (`inputs.n`), which win."""

    def declarable(self, name: str) -> bool:
        """Whether a bare `name` can be declared: an identifier that the language leaves free."""

    def references(self, source: str) -> tuple[Reference, ...]:
        """Everything `source` refers to, in order of place, without checking any of it.

        Names bound inside the expression are not references. Raises `ExpressionProblem`
        for a source that cannot be parsed.
        """
