"""A checked expression of CEL, and how data gets into it and its value out again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ..errors import ExpressionError
from .bounds import DATA, Budget, longest, weigh, weigh_quickly
from .engine import ABSENT, Path, Reference, Resolve, Type, Value
from .mending import mended
from .weights import Weights
from .wording import quote, run_sentence

current_budget: ContextVar[Budget | None] = ContextVar("current_budget", default=None)
"""That of the evaluation under way: lists that functions make must fit it too."""

WEIGHTS = Weights(2 * DATA)


@dataclass(frozen=True, slots=True)
class Need:
    """One value to pass in: `depth` keys of `path` are the variable's name. The expression
    names it or a part of it `count` times, of these `looped` times within loops."""

    variable: str
    path: Path
    depth: int
    count: int
    looped: int
    optional: bool


@dataclass(frozen=True, slots=True)
class CelExpression:
    """A checked expression of CEL."""

    source: str
    references: tuple[Reference, ...]
    functions: frozenset[str]
    type: Type
    condition: bool
    _program: Any
    _alone: Path | None
    _needs: tuple[Need, ...]
    _calls_back: bool  # functions of ours, or mixed arithmetic
    _budget: Budget
    _halves: tuple[CelExpression, CelExpression] | None

    @property
    def named(self) -> bool:
        """Whether it only names a value, or one and what is added to that."""
        return self._alone is not None or self._halves is not None

    def evaluate(self, resolve: Resolve) -> Value:
        try:
            value = self._evaluate(resolve)
        except ExpressionError as error:
            raise ExpressionError(f"{quote(self.source)} failed: {error.message}") from None
        if self.condition and not isinstance(value, bool):
            raise ExpressionError(
                f"{quote(self.source)} must be true or false, but it is {_shown(value)}; "
                "compare it with something"
            )
        return value

    def _evaluate(self, resolve: Resolve) -> Value:
        if self._alone is not None:
            value = resolve(self._alone)
            if value is ABSENT:
                raise _absent(self._alone)
            return value
        data: dict[str, Any] = {}
        missing: Path | None = None
        parts: list[tuple[Need, Value]] = []
        for need in self._needs:
            part = resolve(need.path)
            if part is ABSENT:
                if not need.optional:
                    missing = missing or need.path
                _place_parents(data, need, resolve)
                continue
            parts.append((need, part))
            _place(data, (need.variable, *need.path[need.depth :]), part)
        self._check(parts)
        if self._halves is not None and (joined := _joined(*self._halves, resolve)) is not None:
            return joined
        if not self._calls_back:
            return self._run(data, missing)
        token = current_budget.set(self._budget)
        try:
            with mended():
                return self._run(data, missing)
        finally:
            current_budget.reset(token)

    def _check(self, parts: Sequence[tuple[Need, Value]]) -> None:
        """Refuse values that are too much for the expression. Raises `ExpressionError`."""
        length = 0
        if self._budget.loops:
            for need, part in parts:
                elements = longest(part)
                joined = length + elements * need.count
                length = joined if self._budget.joins else max(length, elements)
        try:
            self._budget.check(*_weights(parts, weigh_quickly), length)
        except ExpressionError:
            # Perhaps it is the haste that is too much.
            self._budget.check(*_weights(parts, weigh), length)

    def _run(self, data: Mapping[str, Any], missing: Path | None) -> Value:
        try:
            outcome = self._program.eval(data=data)
            failed = outcome.type().name() == "ERROR"
            value = outcome.value() if failed else outcome.plain_value()
        except (TypeError, SystemError):  # how the library fails to convert optional values
            raise ExpressionError("it holds an optional value; end it with .orValue(...)") from None
        except Exception as error:
            failed, value = True, str(error)
        if failed:
            if missing is not None and _ABSENCE.search(str(value)):
                raise _absent(missing)
            raise ExpressionError(run_sentence(str(value)))
        return _plain(value)


def _weights(parts: Sequence[tuple[Need, Value]], weigh: Callable[[Value], int]) -> tuple[int, int]:
    """The weight of what the expression reads, and of what its loops read."""
    weight = looped = 0
    for need, part in parts:
        weighed = WEIGHTS.of(part)
        if weighed is None:
            weighed = weigh(part)
        weight += weighed * need.count
        looped += weighed * need.looped
    return weight, looped


def _joined(first: CelExpression, second: CelExpression, resolve: Resolve) -> list[Value] | None:
    """The elements of two lists; None unless both are lists: then CEL says what they come to.

    A list that grows would take CEL longer each time, as it copies every element both ways.
    """
    try:
        one = first.evaluate(resolve)
        other = second.evaluate(resolve) if isinstance(one, list) else None
    except ExpressionError:
        return None
    if not (isinstance(one, list) and isinstance(other, list)):
        return None
    joined = one + other
    with suppress(ExpressionError):  # it cannot be read then, which whoever tries is told
        known = WEIGHTS.of(one)
        WEIGHTS.keep(joined, (weigh(one) if known is None else known) + weigh(other) - 1, one)
    return joined


def _place_parents(data: dict[str, Any], need: Need, resolve: Resolve) -> None:
    """Where a value is absent, pass what is above it, so that CEL sees what exactly is."""
    for length in range(len(need.path) - 1, need.depth - 1, -1):
        parent = resolve(need.path[:length])
        if parent is not ABSENT:
            shown: Value = {} if isinstance(parent, Mapping) else parent
            weigh(shown)
            _place(data, (need.variable, *need.path[need.depth : length]), shown)
            return


def _place(data: dict[str, Any], keys: Path, value: Value) -> None:
    *parents, last = keys
    inner: Any = data
    for key in parents:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            return
    inner.setdefault(last, value)


def _absent(path: Path) -> ExpressionError:
    name = path[0] + "".join(
        f".{key}" if _NAME.fullmatch(key) else f"['{key}']" for key in path[1:]
    )
    return ExpressionError(
        f"`{name}` is absent; where it may be, write `.?` and `orValue(...)`, or test first: of a "
        "step its status"
    )


def _plain(value: Any) -> Value:
    """CEL's result as plain JSON."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError(f"the result is {value}, which is not a finite number")
        return value
    if isinstance(value, list):
        return value if _is_json(value) else [_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ExpressionError("a map of the result has a key that is not text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise ExpressionError("the result is bytes or a type; convert it with string(...)")


def _is_json(value: list[Any]) -> bool:
    """Whether a list is plain all through, as most are; no number in it may be infinite."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return False
    return b"null" not in text  # as which it writes what is no number


def _shown(value: Value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"a {type(value).__name__} of {len(text):,} characters"


_ABSENCE = re.compile("Key not found|No value with name|SELECT|container type|dereference")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
