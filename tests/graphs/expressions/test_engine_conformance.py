"""What every expression engine owes. An engine joins by standing in `ENGINES`."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.graphs.errors import ExpressionError
from assay.graphs.expressions import (
    ABSENT,
    Absent,
    Environment,
    ExpressionEngine,
    ExpressionProblem,
    Path,
    Type,
    Value,
)
from assay.graphs.expressions.cel import CelEngine

ENGINES: dict[str, Callable[[], ExpressionEngine]] = {"cel": CelEngine}

NAMES = {
    "inputs": Type.MAP,
    "inputs.n": Type.INT,
    "inputs.x": Type.NUMBER,
    "inputs.s": Type.STRING,
    "inputs.b": Type.BOOL,
    "inputs.items": Type.LIST,
    "inputs.maybe": Type.DYN,
    "env": Type.MAP,
    "env.CREATE_PR": Type.STRING,
    "steps": Type.MAP,
    "build": Type.DYN,
}
STATE: dict[str, Any] = {
    "inputs": {"n": 3, "x": 90, "s": "text", "b": True, "items": [1, 2], "maybe": None},
    "env": {"CREATE_PR": "true"},
    "build": {
        "status": "completed",
        "output": {
            "count": 5,
            "ratio": 2.5,
            "zero": 0.0,
            "none": None,
            "word": "yes",
            "rows": [{"id": 1, "ok": True, "tags": ["a"]}, {"id": 2, "ok": False, "tags": []}],
        },
    },
    "steps": {"a-b": {"output": "dashed"}},
}


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> ExpressionEngine:
    return ENGINES[request.param]()


@pytest.fixture(scope="module")
def scope(engine: ExpressionEngine) -> Environment:
    return engine.environment(NAMES)


def resolve(path: Path) -> Value | Absent:
    found: Any = STATE
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return ABSENT
        found = found[key]
    return found  # type: ignore[no-any-return]


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
        ("1u", 1),
        ("inputs.n // why", 3),
    ],
)
def test_an_expression_yields_plain_json(scope: Environment, source: str, value: Value) -> None:
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
def test_a_condition_is_a_verdict(scope: Environment, source: str, verdict: bool) -> None:
    assert scope.compile(source, condition=True).evaluate(resolve) is verdict


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("inputs.n", Type.INT),
        ("inputs.n + inputs.x", Type.NUMBER),
        ("inputs.s", Type.STRING),
        ("inputs.n > 1", Type.BOOL),
        ("build.output", Type.DYN),
        ("build.?output", Type.DYN),
        ("[1]", Type.LIST),
        ("{'a': 1}", Type.MAP),
        ("null", Type.NULL),
    ],
)
def test_the_type_is_known_before_running(scope: Environment, source: str, kind: Type) -> None:
    assert scope.compile(source).type is kind


@pytest.mark.parametrize(
    ("source", "offset", "part"),
    [
        ("inputs.s > 1", 9, "`>` cannot compare string with int"),
        ("1 +\n inputs.s", 2, "`+` cannot combine int and string"),
        ("'é😀' + inputs.n", 5, "`+` cannot combine string and int"),
        ("inputs.s == inputs.n", 9, "cannot compare string with int"),
        ("!inputs.n", 0, "needs true or false, not int"),
        ("inputs.n ? 1 : 2", 9, "true or false before the `?`, not int"),
        ("inputs.b ? 1 : 's'", 9, "must be alike, not int and string"),
        ("inputs.n.field", 8, "int has no fields"),
        ("inputs.n + ", 11, "ends too early"),
        ("inputs.n = 3", 9, "write == to compare"),
        ("inputs.b and inputs.b", 9, "write &&"),
        ("'open", 0, "not closed"),
        ("while", 0, "reserved word"),
        ("1 + hsah(inputs.n)", 4, "no function `hsah`; did you mean `hash`?"),
        ("hash()", 0, "takes at least 1 value, not 0"),
        ("inputs.s.split(',')", 9, "write split(...)"),
        ("has(inputs.n)", 4, "write inputs.n != null"),
        ("9223372036854775808", 0, "64 bits"),
        ("b'raw'", 0, "cannot yield bytes"),
        ("a.Message{b: 1}", 0, "not supported"),
        ("build.output.rows.map(build, 1)", 18, "hides another name"),
        ("inputs.n\0", 8, "'\\x00'"),
        ("'\ud800'", 1, "'\\ud800'"),
    ],
)
def test_a_wrong_source_is_refused_in_our_words_at_its_place(
    scope: Environment, source: str, offset: int, part: str
) -> None:
    with pytest.raises(ExpressionProblem) as caught:
        scope.compile(source)
    assert part in caught.value.message
    assert caught.value.offset == offset
    assert "\n" not in caught.value.message


def test_every_problem_of_a_source_is_told_at_once(scope: Environment) -> None:
    with pytest.raises(ExpressionProblem) as caught:
        scope.compile("(inputs.s > 1) && (inputs.n < 'a')")
    assert [problem.offset for problem in caught.value.problems] == [10, 28]
    assert caught.value.problems[0] is caught.value


@pytest.mark.parametrize("source", ["inputs.n", "'a'", "build.output.rows.map(r, r.id)"])
def test_a_condition_of_another_type_is_refused(scope: Environment, source: str) -> None:
    with pytest.raises(ExpressionProblem, match="must be true or false"):
        scope.compile(source, condition=True)


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
    scope: Environment, source: str, part: str
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
        ("build.output.gone", "`build.output.gone` is absent"),
        ("build.output.gone > 1", "`build.output.gone` is absent"),
        ("build.gone.deeper > 1", "`build.gone.deeper` is absent"),
        ("steps['x-y'].output > 1", "`steps['x-y'].output` is absent"),
        ("has(build.gone.deeper)", "there is no `gone`"),
        ("build.output.rows[7]", "index 7 is outside a list of 2"),
        ("build.output.word > 1", "`>` cannot compare string with int"),
        ("build.output.word + 1", "`+` cannot combine string and int"),
        ("build.output.count && true", "not true or false"),
        ("int(build.output.word)", "cannot convert string to int"),
        ("[build.?output]", "optional value"),
        ("{1: 2}", "a key that is not text"),
        ("{'a': 1, 'a': 2}", "duplicate key"),
        ("json('{')", "not JSON"),
        ("json('18446744073709551616000') > 0 && hash(now()) == ''", "no step is running"),
    ],
)
def test_a_failure_is_an_error_that_quotes_the_expression(
    scope: Environment, source: str, part: str
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


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("1 + 2", []),
        ("a.b.c > 1", [(("a", "b", "c"), 0, False)]),
        ("a['x-y'].b", [(("a", "x-y", "b"), 0, False)]),
        ("a.rows[0].name", [(("a", "rows"), 0, False)]),
        ("a[i.n].b", [(("a",), 0, False), (("i", "n"), 2, False)]),
        ("has(a.b)", [(("a", "b"), 4, True)]),
        ("a.?b.c", [(("a", "b", "c"), 0, True)]),
        ("a[?'b']", [(("a", "b"), 0, True)]),
        ("rows.map(r, r.x + q.y)", [(("rows",), 0, False), (("q", "y"), 18, False)]),
        ("a.?b.optMap(v, v + c)", [(("a", "b"), 0, True), (("c",), 19, False)]),
        ("'é' + a + '😀' + b", [(("a",), 6, False), (("b",), 16, False)]),
        ("size(a.b) == 1 && a.b.c", [(("a", "b"), 5, False), (("a", "b", "c"), 18, False)]),
        ("{a.k: [b]}", [(("a", "k"), 1, False), (("b",), 7, False)]),
        ("type(a) == int", [(("a",), 5, False)]),
        ("optional.of(a).hasValue()", [(("a",), 12, False)]),
        ("unknown_function(a.b)", [(("a", "b"), 17, False)]),
        ("a.b + a.b", [(("a", "b"), 0, False), (("a", "b"), 6, False)]),
        ("[1].all(a, a > 0) && a", [(("a",), 21, False)]),
    ],
)
def test_references_are_found_without_any_declaration(
    engine: ExpressionEngine, source: str, references: list[tuple[Path, int, bool]]
) -> None:
    found = [(r.path, r.offset, r.optional) for r in engine.references(source)]
    assert found == references


def test_references_of_a_source_that_does_not_parse_are_a_problem(
    engine: ExpressionEngine,
) -> None:
    with pytest.raises(ExpressionProblem) as caught:
        engine.references("a b")
    assert caught.value.offset == 2


def test_the_functions_that_an_expression_calls_are_named(scope: Environment) -> None:
    source = "hash(inputs.n) == now() && size(inputs.s) > 1 && inputs.s.contains('a')"
    assert scope.compile(source).functions == {"hash", "now", "size", "contains"}


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("build", True),
        ("_private", True),
        ("value", True),
        ("filter", True),
        ("loop", False),
        ("import", False),
        ("in", False),
        ("true", False),
        ("map", False),
        ("type", False),
        ("string", False),
        ("optional", False),
        ("hash", False),
        ("size", False),
        ("run-tests", False),
        ("7up", False),
        ("", False),
        ("é", False),
        ("build\n", False),
    ],
)
def test_a_name_is_declarable_when_the_language_leaves_it_free(
    engine: ExpressionEngine, name: str, free: bool
) -> None:
    assert engine.declarable(name) is free


@given(name=st.from_regex(r"[a-z_]{1,8}", fullmatch=True))
def test_whatever_is_declarable_can_be_used(name: str) -> None:
    for make in ENGINES.values():
        engine = _cached(make)
        if engine.declarable(name):
            expression = engine.environment({name: Type.DYN}).compile(f"{name}.a + 1")
            assert expression.evaluate(lambda _: 1) == 2


def test_only_what_is_referenced_is_asked_for(scope: Environment) -> None:
    asked: list[Path] = []

    def watch(path: Path) -> Value | Absent:
        asked.append(path)
        return resolve(path)

    source = "build.output.count > 1 && build.output.count < 9 && inputs.n == 3"
    assert scope.compile(source).evaluate(watch) is True
    assert sorted(asked) == [("build", "output", "count"), ("inputs", "n")]


def test_a_reference_within_another_is_not_asked_for_twice(scope: Environment) -> None:
    asked: list[Path] = []

    def watch(path: Path) -> Value | Absent:
        asked.append(path)
        return resolve(path)

    source = "size(build.output) > 1 && build.output.count == 5 && has(build.output.rows)"
    assert scope.compile(source).evaluate(watch) is True
    assert asked == [("build", "output")]


def test_evaluating_leaves_the_state_as_it_was(scope: Environment) -> None:
    before = repr(STATE)
    for source in ("build.output.gone.x == 1 || build.output.count == 5", "build.gone.?x"):
        expression = scope.compile(source)
        with suppress(ExpressionError):
            expression.evaluate(resolve)
    assert repr(STATE) == before


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
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(value=json_values)
@settings(max_examples=200, deadline=None)
def test_any_json_survives_a_reference_and_the_way_through_the_engine(value: Value) -> None:
    for make in ENGINES.values():
        engine = _cached(make)
        scope = engine.environment({"a": Type.DYN})
        assert _same(scope.compile("a.b").evaluate(lambda _: value), value)
        assert _same(scope.compile("[a.b][0]").evaluate(lambda _: value), value)


FRAGMENTS = (
    "inputs.n build.output .?x [0] ['k'] ( ) { } [ ] , : ? ! - + * / % < > == && || in 1 2.5 "
    "'a' \"b\" null true .map(x,x) .all(y,y>1) has( hash( size( .orValue( r'\\' // \n é 😀 ' \" \\ "
    "{{ }} @ # ` ''' 1u 0x 1e9 . .. ;"
)
fragments = st.sampled_from(FRAGMENTS.split(" "))


@given(source=st.lists(fragments, max_size=12).map(" ".join) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_random_text_is_an_expression_or_a_problem_and_nothing_else(source: str) -> None:
    for make in ENGINES.values():
        scope = _cached(make).environment(NAMES)
        problems: tuple[ExpressionProblem, ...] = ()
        try:
            expression = scope.compile(source)
        except ExpressionProblem as problem:
            problems = problem.problems
        else:
            with suppress(ExpressionError):
                expression.evaluate(resolve)
        for each in problems:
            assert 0 <= each.offset <= len(source)
            assert "\n" not in each.message
            assert "ERROR" not in each.message


_made: dict[Callable[[], ExpressionEngine], ExpressionEngine] = {}


def _cached(make: Callable[[], ExpressionEngine]) -> ExpressionEngine:
    return _made.setdefault(make, make())


def _same(found: Value, value: Value) -> bool:
    """Equal, and of the same types all the way down."""
    if isinstance(value, list):
        return isinstance(found, list) and len(found) == len(value) and all(
            map(_same, found, value)
        )
    if isinstance(value, dict):
        return isinstance(found, dict) and found.keys() == value.keys() and all(
            _same(found[key], value[key]) for key in value
        )
    if isinstance(value, float):
        return isinstance(found, float) and math.copysign(1, found) == math.copysign(1, value) \
            and found == value
    return type(found) is type(value) and found == value
