"""The functions that expressions may call: what one is, and where it sees the world.

A function takes and gives plain JSON, ends soon for every input, and raises `ExpressionError`
for what it cannot do. Plugins add theirs under the entry point group `assay.functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import ConfigurationError
from .engine import Type, Value


@dataclass(frozen=True, slots=True)
class Function:
    """One function, or one overload of it: several may share a name with other parameters.

    A parameter of type `DYN` takes anything. `variadic` lets the last one repeat. `heavy`
    marks a function that reads files, or makes much more than it is given: it cannot be
    called inside a loop. `implementation` must be thread-safe.
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type
    implementation: Callable[..., Any]
    variadic: bool = False
    heavy: bool = False

    @property
    def packed(self) -> bool:
        """Whether the engine may hand over the arguments as one list."""
        return self.variadic or Type.DYN in self.parameters

    @property
    def arity(self) -> str:
        """How many values it takes, in words: `2 values`, `at least 1 value`."""
        count = len(self.parameters)
        return f"{'at least ' if self.variadic else ''}{count} value{'' if count == 1 else 's'}"

    def accepts(self, count: int) -> bool:
        least = len(self.parameters)
        return count >= least if self.variadic else count == least


class Functions(Mapping[str, tuple[Function, ...]]):
    """Functions by name, each with its overloads. Raises `ConfigurationError` on a conflict."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._named: dict[str, tuple[Function, ...]] = {}
        for function in functions:
            others = self._named.get(function.name, ())
            if not function.name.isidentifier():
                raise ConfigurationError(
                    f"a function cannot be called {function.name!r}; use letters, digits and _"
                )
            if any(
                o.packed or function.packed or o.parameters == function.parameters for o in others
            ):
                raise ConfigurationError(
                    f"two functions are called `{function.name}` with the same parameters; "
                    "rename one"
                )
            self._named[function.name] = (*others, function)

    def __getitem__(self, name: str) -> tuple[Function, ...]:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    @property
    def heavy(self) -> frozenset[str]:
        return frozenset(
            name for name, overloads in self.items() if any(f.heavy for f in overloads)
        )

    @property
    def makers(self) -> frozenset[str]:
        """Names of the functions that may give a list or map."""
        made = {Type.DYN, Type.LIST, Type.MAP}
        return frozenset(
            name for name, overloads in self.items() if any(f.result in made for f in overloads)
        )


class FunctionScope(Protocol):
    """What functions see of the world while one expression is evaluated."""

    def read(self, file: str | Mapping[str, Value]) -> bytes:
        """The bytes (at most 16 MiB) of a file of the workspace, or of an artifact (a mapping
        with the texts `path` and `sha256`). Raises `ExpressionError` when it is missing,
        larger, or outside."""

    def exists(self, path: str) -> bool:
        """Whether the workspace has a file or folder at `path`; false outside."""

    def now(self) -> str:
        """The time of this place in the execution, RFC 3339 in UTC, journaled by path."""


current_scope: ContextVar[FunctionScope] = ContextVar("current_scope")
"""Set by the runner around `Expression.evaluate`."""
