"""What every expression engine owes when it evaluates."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.errors import ExpressionError
from assay.graphs.expressions import Absent, Environment, Path, Resolve, Value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.n", 3),
        ("inputs['n'] + 1", 4),
        ("inputs.x", 90),
        ("inputs.x + 1", 91.0),
        ("inputs.x - inputs.n", 87.0),
        ("2 * inputs.x", 180.0),
        ("inputs.x / 4", 22.5),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 % 4", 3),
        ("build.output.count + 1", 6),
        ("build.output.ratio + 1", 3.5),
        ("inputs.s + '!'", "text!"),
        ("inputs.items + [3]", [1, 2, 3]),
        ("steps['a-b'].output", "dashed"),
        ("build.output.rows[1].id", 2),
        ("build['output']['word']", "yes"),
        ("{'a': [1, null]}", {"a": [1, None]}),
        ("build.output.none", None),
        ("build.?gone", None),
        ("build.?output.?count", 5),
        ("build.?gone.deeper.orValue(7)", 7),
        ("build.output[?'gone'].orValue('x')", "x"),
        ("build.?gone.hasValue()", False),
        ("optional.of(3)", 3),
        ("build.output.?count.optMap(c, c + 1)", 6),
        ("build.output.rows.filter(r, r.ok).map(r, {'id': r.id})", [{"id": 1}]),
        ("build.output.rows.map(r, r.id * 2)", [2, 4]),
        ("timestamp('2026-01-02T03:04:05Z') + duration('90s')", "2026-01-02T03:05:35Z"),
        ("duration('90s')", 90.0),
        ("[?build.?gone, ?build.output.?word]", ["yes"]),
        ("{?'a': build.?gone, ?'b': build.output.?word}", {"b": "yes"}),
        ("build.?gone.or(build.?status)", "completed"),
        ("inputs.b ? build.?status : build.?gone", "completed"),
        ("1u", 1),
        ("inputs.n // why", 3),
    ],
)
def test_an_expression_yields_plain_json(
    scope: Environment, resolve: Resolve, source: str, value: Value
) -> None:
    found = scope.compile(source).evaluate(resolve)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("inputs.b", True),
        ("inputs.x < 90", False),
        ("inputs.x >= 90", True),
        ("inputs.n < inputs.x && 90 == inputs.x", True),
        ("build.output.count > 4.5", True),
        ("env.CREATE_PR == 'true'", True),
        ("has(build.output.count)", True),
        ("has(build.output.gone)", False),
        ("has(build.output.gone) && build.output.gone > 1", False),
        ("inputs.maybe == null", True),
        ("inputs.s != null", True),
        ("inputs.n in inputs.items", False),
        ("build.output.rows.exists(r, r.id == inputs.n)", False),
        ("build.output.rows.all(r, r.tags.all(t, t == 'a'))", True),
        ("inputs.s.startsWith('te') && inputs.s.contains('x') && inputs.s.matches('^t.*t$')", True),
    ],
)
def test_a_condition_is_a_verdict(
    scope: Environment, resolve: Resolve, source: str, verdict: bool
) -> None:
    assert scope.compile(source, condition=True).evaluate(resolve) is verdict


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("build.output.word", 'it is "yes"'),
        ("build.output.none", "it is null"),
        ("build.?gone", "it is null"),
        ("build.output.count + 1", "it is 6"),
    ],
)
def test_a_verdict_that_is_not_boolean_is_an_error_never_false(
    scope: Environment, resolve: Resolve, source: str, part: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        scope.compile(source, condition=True).evaluate(resolve)
    assert source in caught.value.message
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("1 / 0", "division by zero"),
        ("inputs.x / 0", "division by zero"),
        ("build.output.zero / build.output.zero < 1", "division by zero"),
        ("1 / build.output.zero > 1", "division by zero"),
        ("5 % 0", "division by zero"),
        ("9223372036854775807 + 1", "overflow"),
        ("(-9223372036854775807 - 1) / -1", "overflow"),
        ("1e308 * 10.0", "not a finite number"),
        ("build.output.gone", "`build.output.gone` is absent; where it may be, write `.?`"),
        ("build.output.gone > 1", "`build.output.gone` is absent"),
        ("build.gone.deeper > 1", "`build.gone.deeper` is absent"),
        ("steps['x-y'].output > 1", "`steps['x-y'].output` is absent"),
        ("has(build.gone.deeper)", "there is no `gone`"),
        ("build.output.rows[7]", "index 7 is outside a list of 2"),
        ("build.output.rows[build.output.word]", "indexed with whole numbers"),
        ("build.output.word > 1", "`>` cannot compare string with int"),
        ("build.output.word + 1", "`+` cannot combine string and int"),
        ("build.output.count && true", "not true or false"),
        ("int(build.output.word)", "cannot convert string to int"),
        ("{1: 2}", "a key that is not text"),
        ("{'a': 1, 'a': 2}", "duplicate key"),
        ("json('{')", "not JSON"),
        ("json('18446744073709551616000') > 0 && hash(now()) == ''", "no step is running"),
    ],
)
def test_a_failure_is_an_error_that_quotes_the_expression(
    scope: Environment, resolve: Resolve, source: str, part: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        scope.compile(source).evaluate(resolve)
    assert f"`{source}` failed: " in caught.value.message
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        (2**64, "64 bits"),
        ([(1, 2)], "tuple"),
    ],
)
def test_data_that_the_engine_would_misread_is_refused(
    scope: Environment, value: Any, part: str
) -> None:
    with pytest.raises(ExpressionError, match=part):
        scope.compile("[build.output]").evaluate(lambda _: value)


def test_data_nested_too_deep_is_refused_rather_than_crash(scope: Environment) -> None:
    deep: Value = []
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nested deeper"):
        scope.compile("[build.output]").evaluate(lambda _: deep)


def test_a_declared_name_that_holds_another_type_is_told(scope: Environment) -> None:
    with pytest.raises(ExpressionError, match=r"`inputs.n` is not INT as declared, but str"):
        scope.compile("inputs.n + 1").evaluate(lambda _: "three")


def test_only_what_is_referenced_is_asked_for(scope: Environment, resolve: Resolve) -> None:
    asked: list[Path] = []

    def watch(path: Path) -> Value | Absent:
        asked.append(path)
        return resolve(path)

    source = "build.output.count > 1 && build.output.count < 9 && inputs.n == 3"
    assert scope.compile(source).evaluate(watch) is True
    assert sorted(asked) == [("build", "output", "count"), ("inputs", "n")]


def test_a_reference_within_another_is_not_asked_for_twice(
    scope: Environment, resolve: Resolve
) -> None:
    asked: list[Path] = []

    def watch(path: Path) -> Value | Absent:
        asked.append(path)
        return resolve(path)

    source = "size(build.output) > 1 && build.output.count == 5 && has(build.output.rows)"
    assert scope.compile(source).evaluate(watch) is True
    assert asked == [("build", "output")]


def test_evaluating_leaves_the_state_as_it_was(
    scope: Environment, resolve: Resolve, state: dict[str, Any]
) -> None:
    before = repr(state)
    for source in ("build.output.gone.x == 1 || build.output.count == 5", "build.gone.?x"):
        expression = scope.compile(source)
        with suppress(ExpressionError):
            expression.evaluate(resolve)
    assert repr(state) == before


def test_one_expression_serves_many_threads(scope: Environment) -> None:
    expression = scope.compile("inputs.items.map(i, hash(i + inputs.n)).exists(h, h == 'x')")
    double = scope.compile("inputs.n * 2 + inputs.items[0]")

    def run(number: int) -> Value:
        values: dict[Path, Value] = {("inputs", "n"): number, ("inputs", "items"): [1] * 50}
        assert expression.evaluate(values.__getitem__) is False
        return double.evaluate(values.__getitem__)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(200))) == [number * 2 + 1 for number in range(200)]


def test_an_expression_may_be_evaluated_while_another_is(scope: Environment) -> None:
    inner, outer = scope.compile("inputs.n + 1"), scope.compile("build.output + 1")
    assert outer.evaluate(lambda _: inner.evaluate(lambda _: 1)) == 3


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(value=json_values)
@settings(max_examples=200, deadline=None)
def test_any_json_survives_a_reference_and_the_way_through_the_engine(
    scope: Environment, value: Value
) -> None:
    assert _same(scope.compile("build.output").evaluate(lambda _: value), value)
    assert _same(scope.compile("[build.output][0]").evaluate(lambda _: value), value)


def _same(found: Value, value: Value) -> bool:
    """Equal, and of the same types all the way down."""
    if isinstance(value, list):
        return (
            isinstance(found, list) and len(found) == len(value) and all(map(_same, found, value))
        )
    if isinstance(value, dict):
        return (
            isinstance(found, dict)
            and found.keys() == value.keys()
            and all(_same(found[key], value[key]) for key in value)
        )
    if isinstance(value, float):
        return (
            isinstance(found, float)
            and math.copysign(1, found) == math.copysign(1, value)
            and found == value
        )
    return type(found) is type(value) and found == value
