"""What every expression engine owes before it evaluates: it reads, checks and explains."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.graphs.errors import ExpressionError
from assay.graphs.expressions import (
    Environment,
    ExpressionEngine,
    ExpressionProblem,
    Path,
    Resolve,
    Type,
    unwrap_condition,
)


@pytest.mark.parametrize(
    "condition",
    [
        "check.exists == true",
        "parse_coverage(baseline.outputs.coverage_xml).line_coverage < {{ inputs.target }}",
        "{{ env.CREATE_PR == 'true' }}",
        "output.tests_added > 0",
        "parse_junit(baseline.outputs.coverage_xml).failures == 0",
    ],
)
def test_the_conditions_people_write_are_accepted(engine: ExpressionEngine, condition: str) -> None:
    dynamic = dict.fromkeys(("check", "baseline", "output"), Type.DYN)
    names = {**dynamic, "inputs.target": Type.NUMBER, "env.CREATE_PR": Type.STRING}
    scope = engine.environment(names)
    assert scope.compile(unwrap_condition(condition), condition=True).type is Type.BOOL


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
        ("inputs.n.all(x, true)", 6, "go over a list or map, not int"),
        ("(1 + 's') > 2", 3, "`+` cannot combine int and string"),
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
        ("[inputs.n, build.?output]", 16, "end it with .orValue"),
        ("{'a': build.?output}", 11, "end it with .orValue"),
        ("build.output.rows.map(r, r.?id)", 26, "end it with .orValue"),
        ("hash(optional.of(1))", 14, "end it with .orValue"),
        ("optional.of(build.?output).value()", 17, "end it with .orValue"),
        ("{'a': inputs.b ? optional.none() : build.?output}", 15, "end it with .orValue"),
        ("{2.5: 1}", 0, "keys of a map must be text"),
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
def test_whatever_is_declarable_can_be_used(engine: ExpressionEngine, name: str) -> None:
    assume(engine.declarable(name))
    expression = engine.environment({name: Type.DYN}).compile(f"{name}.a + 1")
    assert expression.evaluate(lambda _: 1) == 2


FRAGMENTS = (
    "inputs.n build.output .?x [0] ['k'] ( ) { } [ ] , : ? ! - + * / % < > == && || in 1 2.5 "
    "'a' \"b\" null true .map(x,x) .all(y,y>1) has( hash( size( .orValue( r'\\' // \n é 😀 ' \" \\ "
    "{{ }} @ # ` ''' 1u 0x 1e9 . .. ;"
)
ATOMS = (
    "inputs.n inputs.x inputs.s inputs.b inputs.items inputs.maybe build.output.rows build.gone "
    "build.?gone build.?output 1 2.5 'a' null true [] {} 1u b'x' int optional.none() x y 1e308 "
    "timestamp('2026-01-01T00:00:00Z') duration('1s') 9223372036854775807"
)
SHAPES = (
    "({0} + {1})|({0} - {1})|({0} * {1})|({0} / {1})|({0} % {1})|({0} < {1})|({0} == {1})|"
    "({0} && {1})|({0} in {1})|({0} ? {1} : {0})|{0}[{1}]|{0}.?a|{0}.id|size({0})|{0}.orValue({1})|"
    "{0}.hasValue()|hash({0}, {1})|default({0}, {1})|json({0})|string({0})|int({0})|dyn({0})|"
    "type({0})|{0}.map(x, {1})|{0}.filter(y, {1})|{0}.all(x, {1})|{0}.optMap(x, {1})|"
    "{0}.optFlatMap(y, {1})|[{0}, {1}]|{{{0}: {1}}}|[?{0}]|!{0}|-{0}|has({0}.a)|optional.of({0})"
)
broken = st.lists(st.sampled_from(FRAGMENTS.split(" ")), max_size=12).map(" ".join)
well_formed = st.recursive(
    st.sampled_from(ATOMS.split(" ")),
    lambda inner: st.builds(str.format, st.sampled_from(SHAPES.split("|")), inner, inner),
    max_leaves=6,
)


@given(source=well_formed | broken | st.text(max_size=30))
@settings(max_examples=500, deadline=None)
def test_any_text_is_an_expression_or_a_problem_and_nothing_else(
    scope: Environment, resolve: Resolve, source: str
) -> None:
    problems: tuple[ExpressionProblem, ...] = ()
    try:
        expression = scope.compile(source)
    except ExpressionProblem as problem:
        problems = problem.problems
    else:
        with suppress(ExpressionError):
            json.dumps(expression.evaluate(resolve), allow_nan=False)
    for each in problems:
        assert 0 <= each.offset <= len(source)
        assert "\n" not in each.message
        assert "<input>" not in each.message
