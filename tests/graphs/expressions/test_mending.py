"""The library's wrong reference counts do no harm to a process that lives long."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from assay.graphs.expressions import Type, Value
from assay.graphs.expressions.cel import CelEngine

NULLS = """
    for source in ("[null, a]", "a == 1 ? 2 : a", "hash([a, a])", "{'a': a}", "default(a, a)"):
        expression = scope.compile(source)
        for _ in range(20_000):
            expression.evaluate(lambda _: None)
"""

CALLS = """
    import resource
    def peak():
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (2**20 if sys.platform == "darwin" else 2**10)

    state = "[" + ",".join(map(str, range(1000, 6000))) + "]"
    expressions = [scope.compile(source) for source in (
        "len(json(a))", "default(json(a), 1)", "size(a + '!') + 1.5", "hash(json(a), a)",
        "a == '' || len(json('{' + a)) > 1",
    )]
    def run(times):
        for _ in range(times):
            for expression in expressions:
                with suppress(ExpressionError):
                    expression.evaluate(lambda _: state)
    run(20)
    before = peak()
    run(200)
    print(peak() - before)
"""

SETUP = """
    import sys
    from contextlib import suppress
    from assay.graphs.errors import ExpressionError
    from assay.graphs.expressions import Type
    from assay.graphs.expressions.cel import CelEngine
    scope = CelEngine().environment({"a": Type.DYN})
"""


def run(script: str) -> str:
    source = textwrap.dedent(SETUP) + textwrap.dedent(script)
    child = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=100
    )
    return child.stdout


def test_a_hundred_thousand_nulls_do_not_end_the_process() -> None:
    """Unmended, Python 3.11 aborts after some thousand: `None` itself is deallocated."""
    run(NULLS)


def test_calling_functions_leaves_nothing_behind() -> None:
    """Unmended, these calls keep some 400 MB."""
    assert float(run(CALLS)) < 20


@pytest.mark.parametrize("source", ["max(a) + 1.5", "default(a, 1)", "hash(a, a)", "join(a, '-')"])
def test_values_outlive_the_evaluation_that_made_them(source: str) -> None:
    expression = CelEngine().environment({"a": Type.DYN}).compile(source)
    state: list[Value] = [123456, 234567.5]
    results = [expression.evaluate(lambda _: state) for _ in range(500)]
    assert results == [results[0]] * 500
    assert state == [123456, 234567.5]
