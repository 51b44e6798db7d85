"""Expressions that strangers may send: refused, or over soon and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from assay.graphs.errors import ExpressionError
from assay.graphs.expressions import ExpressionProblem, Type, Value
from assay.graphs.expressions.cel import CelEngine

SCOPE = CelEngine().environment({"a": Type.DYN, "s": Type.STRING, "n": Type.INT})


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("[1]" + ".map(v, v)" * 22, "may hold 3 of all"),
        ("[a].map(v, v + v)", "must be between numbers"),
        ("a.map(x, a + a)", "must be between numbers"),
        ("a.?b.optMap(v, v + v)", "must be between numbers"),
        ("a.map(x, a.map(y, 1))", "a loop inside a loop"),
        ("a.exists(x, replace(s, 'a', s) == x)", "`replace` cannot be called inside"),
        ("[" + ",".join(["replace(s, 'a', s)"] * 17) + "]", "more than 16 calls"),
        ("1" + " + 1" * 40, "32 operators"),
        ("(" * 1_000 + "1" + ")" * 1_000, "nested too deep"),
        ("a" + "[0]" * 1_000, "nested too deep"),
        ("x" * 8_193, "at most 8,192 characters"),
    ],
)
def test_shapes_that_multiply_are_refused_when_read(source: str, part: str) -> None:
    with pytest.raises(ExpressionProblem, match=part):
        SCOPE.compile(source)


@pytest.mark.parametrize(
    "source",
    [
        "a.all(x, x.p + 1 > x.q)",
        "a.all(x, double(x.p) + double(x.q) > 1)",
        "a.all(x, x.p + n > x.q)",
        "a.all(x, x.p * 2 + x.q > size(x.r) + x.p)",
        "a.filter(x, x.ok).map(x, {'p': x.p, 'q': x.q}).exists(x, x.p > 1)",
        "a.all(x, x.tags.exists(t, t == x.main))",
        "a.map(x, lower(x.name))",
    ],
)
def test_honest_loops_are_welcome(source: str) -> None:
    SCOPE.compile(source)


@pytest.mark.parametrize(
    ("source", "state", "part"),
    [
        ("[" + ",".join("a" * 2_000) + "]", {"a": list(range(9_000))}, "reads too much"),
        ("a.map(x, a)", {"a": list(range(1_900))}, "builds too much"),
        ("a.map(x, x)", {"a": list(range(2_001))}, "at most 2,000 elements"),
        ("(a + a).map(x, x)", {"a": list(range(1_500))}, "at most 2,000 elements"),
        ("split(s, ',').map(x, x)", {"s": "," * 5_000}, "at most 2,000 elements"),
        ("a.all(x, a == a)", {"a": list(range(9_000))}, "compares too much"),
        ("a.all(x, x.all(y, x == x))", {"a": [list(range(100))] * 100}, "compares too much"),
        ("a.exists(r, r == -1)", {"a": list(range(20_000))}, "more than 10,000 turns"),
        ("s.matches('[ab]*a[ab]{500}c')", {"s": "ab" * 200_000}, "searches too much"),
        ("replace(s, 'a', s)", {"s": "a" * 20_000}, "replace would make 400,000,000"),
        ("join(split(s, ','), s)", {"s": "," * 50_000}, "join would make"),
        ("split(s, ',')", {"s": "," * 1_000_000}, "split would make"),
        ("json(s)", {"s": "[" + "{}," * 300_000 + "1]"}, "json gives too much"),
        ("json(s)", {"s": "[" * 900 + "]" * 900}, "nested deeper"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_data_too_large_for_a_shape_is_refused_before_it_hurts(
    source: str, state: dict[str, Any], part: str
) -> None:
    with pytest.raises(ExpressionError, match=part):
        SCOPE.compile(source).evaluate(lambda path: state[path[0]])


@pytest.mark.parametrize(
    ("source", "rows", "value"),
    [
        ("a.filter(r, r.team == 'x').map(r, {'id': r.id, 'n': r.n})", 1_400, []),
        ("a.all(r, r.id >= 0 && r.n == r.id)", 9_000, True),
        ("a.exists(r, r.id in [1, 2, 3])", 9_000, True),
        ("size(a)", 30_000, 30_000),
    ],
)
def test_honest_work_of_this_size_is_done(source: str, rows: int, value: object) -> None:
    state: list[Value] = [{"id": i, "n": i, "team": "y"} for i in range(rows)]
    assert SCOPE.compile(source).evaluate(lambda _: state) == value


BOMBS: list[tuple[str, dict[str, Any]]] = [
    ("a.map(x, a)", {"a": list(range(700))}),
    ("a.map(x, x)", {"a": list(range(2_000))}),
    ("a.map(x, x.map(y, y))", {"a": [list(range(19))] * 19}),
    ("a.map(x, lower(s))", {"a": list(range(2_000)), "s": "a" * 3_000}),
    ("hash([" + ",".join("a" * 2_000) + "])", {"a": list(range(120))}),
    ("[" + ",".join("a" * 2_000) + "] == [" + ",".join("a" * 2_000) + "]", {"a": [0] * 60}),
    ("[" + ",".join(["replace(s,'a','b')"] * 16) + "]", {"s": "a" * 200_000}),
    ("+".join(["s"] * 30), {"s": "a" * 130_000}),
    ("a.all(x, a == a)", {"a": list(range(2_200))}),
    ("a.exists(x, x in s)", {"a": list(range(4_000)), "s": list(range(4_000, 8_000))}),
    ("a.all(x, x.matches('[ab]*a[ab]{500}c') || true)", {"a": ["ab" * 300] * 200}),
    ("s.matches('" + "(a?){30}" * 100 + "')", {"s": "a" * 200_000}),
    ("s.contains(a)", {"s": "a" * 160_000, "a": "a" * 80_000 + "b"}),
    ("s.contains('" + "a" * 7_000 + "b')", {"s": "a" * 2_000_000}),
    ("json(s)", {"s": "[" + "{}," * 190_000 + "1]"}),
    ("&&".join(["a == a"] * 900), {"a": list(range(120))}),
    ("||".join(["a"] * 2_700), {"a": False}),
    ("!" * 8_000 + "true", {}),
    ("[1]" + ".map(v, v + v)" * 22, {}),
    ("a.map(x, a + a)", {"a": list(range(9_000))}),
    ("replace(s, 'a', s)", {"s": "a" * 20_000}),
    ("a.map(x, a.map(y, a.map(z, a)))", {"a": list(range(3_000))}),
]

RUN = """
    import json, resource, sys, time
    from assay.graphs.errors import ExpressionError
    from assay.graphs.expressions import ExpressionProblem, Type
    from assay.graphs.expressions.cel import CelEngine

    def peak():
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (2**20 if sys.platform == "darwin" else 2**10)

    scope = CelEngine().environment({"a": Type.DYN, "s": Type.DYN})
    scope.compile("hash(a) == 'x'").evaluate(lambda _: 1)
    for source, state in json.load(sys.stdin):
        before, start = peak(), time.process_time()
        try:
            scope.compile(source).evaluate(lambda path: state[path[0]])
        except (ExpressionProblem, ExpressionError):
            pass
        print(json.dumps([source[:50], time.process_time() - start, peak() - before]))
"""


def test_every_bomb_is_over_in_half_a_second_and_a_hundred_megabytes() -> None:
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN)],
        input=json.dumps(BOMBS),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    measured = [json.loads(line) for line in child.stdout.splitlines()]
    assert len(measured) == len(BOMBS)
    assert [m for m in measured if m[1] > 0.5 or m[2] > 100] == []
