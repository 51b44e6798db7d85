"""CEL's operators over JSON's numbers: whole and other numbers mix, dividing by zero fails.

CEL refuses `number < 90`. Its operators are therefore declared again with mixed overloads: for
comparisons the checker's word is enough, mixed arithmetic needs functions of ours.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ExpressionError

Overload = dict[str, Any]

DIVIDE, DIVIDE_SAFELY = "_/_", "@/@"
"""CEL divides floats by zero in silence and its functions cannot be replaced: a checked tree's
divisions are renamed, to a name of the same length that no author can write."""


def operators() -> list[dict[str, Any]]:
    """Declarations of the operators, as CEL's environment configuration wants them."""
    found: list[dict[str, Any]] = [
        {"name": name, "overloads": [*_same(verb, kinds, None), *_mixed(verb, "double")]}
        for name, verb, kinds in _ARITHMETIC
    ]
    for declared, more in zip(found, (_additions(), _subtractions()), strict=False):
        declared["overloads"] += more
    found += [
        {"name": name, "overloads": _divisions(verb)}
        for name, verb in ((DIVIDE, "divide"), (DIVIDE_SAFELY, "divide_safely"))
    ]
    found += [
        {"name": name, "overloads": [*_same(verb, _ORDERED, "bool"), *_mixed(verb, "bool")]}
        for name, verb in _COMPARISONS
    ]
    found += [{"name": name, "overloads": _equalities(verb)} for name, verb in _EQUALITIES]
    return found


def replaced() -> list[str]:
    """The operators of CEL's standard library that `operators` declares again."""
    return [declared["name"] for declared in operators() if declared["name"] != DIVIDE_SAFELY]


def implementations() -> dict[str, Callable[..., Any]]:
    """What runs behind the overloads that CEL lacks, by overload id."""
    found: dict[str, Callable[..., Any]] = {}
    for verb, calculate in (
        ("add", operator.add),
        ("subtract", operator.sub),
        ("multiply", operator.mul),
    ):
        for pair in _MIXED:
            found[_id(verb, *pair)] = calculate
    for pair in (*_MIXED, ("double", "double")):
        found[_id("divide_safely", *pair)] = _divide
    found[_id("divide_safely", "int", "int")] = _divide_whole
    return found


_MIXED = (("int", "double"), ("double", "int"))
_ORDERED = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_ARITHMETIC = (
    ("_+_", "add", ("int", "uint", "double", "string", "bytes", "duration")),
    ("_-_", "subtract", ("int", "uint", "double", "duration")),
    ("_*_", "multiply", ("int", "uint", "double")),
)
_COMPARISONS = (
    ("_<_", "less"),
    ("_<=_", "less_equals"),
    ("_>_", "greater"),
    ("_>=_", "greater_equals"),
)
_EQUALITIES = (("_==_", "equals"), ("_!=_", "not_equals"))
_ANY = {"type_name": "A", "is_type_param": True}
_LIST = {"type_name": "list", "params": [_ANY]}


def _divide(a: float, b: float) -> float:
    if b == 0:
        raise ExpressionError("division by zero")
    return a / b


def _divide_whole(a: int, b: int) -> int:
    """Towards zero, as CEL divides whole numbers."""
    if b == 0:
        raise ExpressionError("division by zero")
    quotient = abs(a) // abs(b)
    if quotient >= 2**63:
        raise ExpressionError("integer overflow")
    return quotient if (a < 0) == (b < 0) else -quotient


def _id(verb: str, first: str, second: str) -> str:
    return f"{verb}_{first}_{second}"


def _overload(id: str, first: Any, second: Any, result: str | Any) -> Overload:
    def kind(named: Any) -> Any:
        return {"type_name": named} if isinstance(named, str) else named

    return {"id": id, "args": [kind(first), kind(second)], "return": kind(result)}


def _same(verb: str, kinds: tuple[str, ...], result: str | None) -> Iterator[Overload]:
    for kind in kinds:
        yield _overload(_id(verb, kind, kind), kind, kind, result or kind)


def _mixed(verb: str, result: str) -> Iterator[Overload]:
    for first, second in _MIXED:
        yield _overload(_id(verb, first, second), first, second, result)


def _additions() -> list[Overload]:
    return [
        _overload("add_list", _LIST, _LIST, _LIST),
        _overload("add_timestamp_duration", "timestamp", "duration", "timestamp"),
        _overload("add_duration_timestamp", "duration", "timestamp", "timestamp"),
    ]


def _subtractions() -> list[Overload]:
    return [
        _overload("subtract_timestamp_duration", "timestamp", "duration", "timestamp"),
        _overload("subtract_timestamp_timestamp", "timestamp", "timestamp", "duration"),
    ]


def _divisions(verb: str) -> list[Overload]:
    return [*_same(verb, ("int", "double"), None), *_mixed(verb, "double")]


def _equalities(verb: str) -> list[Overload]:
    return [
        _overload(verb, _ANY, _ANY, "bool"),
        *_mixed(verb, "bool"),
        _overload(f"{verb}_null", _ANY, "null_type", "bool"),
        _overload(f"null_{verb}", "null_type", _ANY, "bool"),
    ]
