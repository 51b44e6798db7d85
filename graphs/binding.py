"""Program text of a step, compiled: what `Call` renders when the step runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import ExpressionError
from .expressions import ABSENT, Expression, text_of
from .fields import Where
from .scope import Scope, missing
from .step import Retry, Step

Part = tuple[str | None, Any]


class BoundField(Protocol):
    """A compiled field. Every method raises `ExpressionError` when evaluation fails."""

    def render(self, scope: Scope) -> Any:
        """The value, keeping its type."""

    def text(self, scope: Scope) -> str:
        """The value as text."""

    def parts(self, scope: Scope) -> list[Part]:
        """(literal, None) and (None, value), in order."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value without anything to evaluate in it."""

    value: Any

    def render(self, scope: Scope) -> Any:
        return self.value

    def text(self, scope: Scope) -> str:
        return text_of(self.value)

    def parts(self, scope: Scope) -> list[Part]:
        return [(self.text(scope), None)]


class _Value:
    """A field that is one value: its text and its one part follow from it."""

    __slots__ = ()

    def render(self, scope: Scope) -> Any:
        raise TypeError(f"{type(self).__name__} says how it is rendered")

    def text(self, scope: Scope) -> str:
        return text_of(self.render(scope))

    def parts(self, scope: Scope) -> list[Part]:
        return [(None, self.render(scope))]


@dataclass(frozen=True, slots=True)
class Formula(_Value):
    """An expression; a condition's value must be true or false."""

    expression: Expression
    where: str
    condition: bool = False

    def render(self, scope: Scope) -> Any:
        try:
            value = self.expression.evaluate(scope.resolve)
        except ExpressionError as error:
            raise ExpressionError(f"in `{self.where}`: {error.message}") from error
        if self.condition and not isinstance(value, bool):
            raise ExpressionError(
                f"in `{self.where}`: `{self.expression.source}` is {text_of(value)!r}, "
                "neither true nor false; compare it with something"
            )
        return value


@dataclass(frozen=True, slots=True)
class Filled:
    """A template: literal text and expressions. `whole` is one expression and nothing else."""

    pieces: tuple[str | Formula, ...]

    @property
    def whole(self) -> bool:
        return len(self.pieces) == 1 and not isinstance(self.pieces[0], str)

    def render(self, scope: Scope) -> Any:
        first = self.pieces[0]
        if len(self.pieces) == 1 and isinstance(first, Formula):
            return first.render(scope)
        return self.text(scope)

    def text(self, scope: Scope) -> str:
        return "".join(p if isinstance(p, str) else p.text(scope) for p in self.pieces)

    def parts(self, scope: Scope) -> list[Part]:
        return [(p, None) if isinstance(p, str) else (None, p.render(scope)) for p in self.pieces]


@dataclass(frozen=True, slots=True)
class Reference(_Value):
    """A bare `step.output` in `inputs`."""

    path: tuple[str, ...]

    def render(self, scope: Scope) -> Any:
        value = scope.resolve(self.path)
        if value is ABSENT:
            raise missing(self.path)
        return value


@dataclass(frozen=True, slots=True)
class Tree(_Value):
    """A mapping or list with something to evaluate somewhere inside."""

    entries: Mapping[str, BoundField] | Sequence[BoundField]

    def render(self, scope: Scope) -> Any:
        if isinstance(self.entries, Mapping):
            return {key: entry.render(scope) for key, entry in self.entries.items()}
        return [entry.render(scope) for entry in self.entries]


@dataclass(frozen=True, slots=True)
class Policy:
    """What was decided for a step from its own fields, `error_handling` and `defaults`.

    While an assertion is `repairing`, its being false is not final: `strategy` must wait.
    """

    retry: Retry | None = None
    timeout: float | None = None
    strategy: str = "halt"
    repairing: bool = False


@dataclass(frozen=True, slots=True)
class BoundStep:
    """A step with its program text compiled.

    `mentions` are the ids it reads, those read inside its inner lists included. `hoisted`
    are the ids inside it that stay visible after it. `env` and `functions` are what it uses.
    """

    step: Step
    where: Where
    fields: Mapping[Where, BoundField]
    policy: Policy
    blocks: Mapping[tuple[str, ...], tuple[BoundStep, ...]] = field(default_factory=dict)
    mentions: frozenset[str] = frozenset()
    hoisted: tuple[str, ...] = ()
    env: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    id: str = field(init=False)
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.step.id)
        object.__setattr__(self, "kind", self.step.kind)

    @property
    def name(self) -> str:
        return self.step.name or self.step.id
