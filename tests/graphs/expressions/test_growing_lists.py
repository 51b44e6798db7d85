"""Adding to a list that is only named: as CEL has it, and as soon however long the list is."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.errors import ExpressionError
from assay.graphs.expressions import ABSENT, Type, Value
from assay.graphs.expressions.cel import CelEngine
from assay.graphs.expressions.evaluation import CelExpression
from assay.graphs.expressions.weights import Weights

SCOPE = CelEngine().environment({"a": Type.DYN, "b": Type.DYN, "n": Type.INT})
ADDING = [
    "a + b",
    "a + [b]",
    "a + [b] + [n]",
    "a + b + [n]",
    "(a + b)",
    "a + (b)",
    "a\n + // not the end )\n b",
    "a.x + [n]",
    "a + (n > 0 ? [n] : b)",
    "a + a",
    "[n] + a",
    "a + b.map(x, x)",
]
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
DATA: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def test_what_a_list_holds_is_not_copied_when_it_grows() -> None:
    """Which is what makes it soon: each element that enters CEL takes as long as the addition."""
    held: list[Any] = [{"kept": True}]
    grown: Any = _value("a + [n]", {"a": held, "n": 1})
    assert grown == [{"kept": True}, 1]
    assert grown[0] is held[0]
    assert held == [{"kept": True}]


def test_also_when_several_are_added() -> None:
    held: list[Any] = [{"kept": True}]
    grown: Any = _value("a + b + [n]", {"a": held, "b": ["b"], "n": 1})
    assert grown == [{"kept": True}, "b", 1]
    assert grown[0] is held[0]


@given(source=st.sampled_from(ADDING), a=DATA | st.lists(DATA), b=DATA | st.lists(DATA))
def test_it_is_what_cel_says(source: str, a: Value, b: Value) -> None:
    """Its value, and what is wrong with it. (CEL keeps no order of keys.)"""
    state = {"a": a, "b": b, "n": 1}
    ours, cels = (_tried(made(source), state) for made in (_compiled, _by_cel))
    assert json.dumps(ours, sort_keys=True) == json.dumps(cels, sort_keys=True)


@pytest.mark.parametrize("b", [["\0"], [2**64], ABSENT], ids=["NUL", "large", "absent"])
def test_what_cel_cannot_read_is_refused_as_ever(b: Any) -> None:
    state = {"a": [1], "b": b}
    said = _tried(_compiled("a + b"), state)
    assert isinstance(said, str)
    assert said == _tried(_by_cel("a + b"), state)


def test_a_list_grows_as_far_as_it_may_be_read() -> None:
    """One that is known is not weighed anew, and yet refused at the same length."""
    grown = [_grown(expression) for expression in (_compiled("a + b"), _by_cel("a + b"))]
    assert grown[0] == grown[1]
    assert len(grown[0]) > 200_000


def test_a_list_changed_behind_our_back_is_weighed_anew() -> None:
    grown: Any = _value("a + [n]", {"a": [], "n": 1})
    grown += ["x" * 1_000_000] * 5
    with pytest.raises(ExpressionError, match="reads too much at once"):
        _value("a + [n]", {"a": grown, "n": 1})


def test_weights_are_kept_of_the_last_lists_only() -> None:
    weights = Weights(100)
    first, second, third = [1], [2], [3]
    weights.keep(first, 40, None)
    weights.keep(second, 50, None)
    assert (weights.of(first), weights.of(second)) == (40, 50)
    weights.keep(third, 45, None)
    assert (weights.of(first), weights.of(second), weights.of(third)) == (None, 50, 45)


def test_a_list_that_was_added_to_is_forgotten_for_the_longer_one() -> None:
    weights = Weights(100)
    short, long = [1], [1, 2]
    weights.keep(short, 40, None)
    weights.keep(long, 80, short)
    assert (weights.of(short), weights.of(long)) == (None, 80)
    assert weights.of([1, 2]) is None


def _grown(expression: CelExpression) -> Any:
    """What comes of it when as much as can be is added."""
    held: Value = []
    with suppress(ExpressionError):
        while True:
            held = expression.evaluate(_resolve({"a": held, "b": list(range(9_000))}))
    return held


@cache
def _compiled(source: str) -> CelExpression:
    expression = SCOPE.compile(source)
    assert isinstance(expression, CelExpression)
    return expression


@cache
def _by_cel(source: str) -> CelExpression:
    return replace(_compiled(source), _halves=None)


def _resolve(state: dict[str, Any]) -> Any:
    def resolve(path: tuple[str, ...]) -> Any:
        value: Any = state
        for key in path:
            value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
        return value

    return resolve


def _value(source: str, state: dict[str, Any]) -> Value:
    return _compiled(source).evaluate(_resolve(state))


def _tried(expression: CelExpression, state: dict[str, Any]) -> Any:
    """The value, or what is said of it."""
    try:
        return expression.evaluate(_resolve(state))
    except ExpressionError as error:
        return error.message
