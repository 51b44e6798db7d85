"""What asks for too much is refused before anything is read; what breaks shows nothing inside."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from graphql import get_introspection_query, parse

from assay.api.graphql import limits
from assay.api.graphql.limits import ALIASES, COST, DEPTH, TOKENS, refused

from .conftest import Graph

pytestmark = pytest.mark.anyio


def limit(query: str, **variables: Any) -> str | None:
    """Which bound a document breaks."""
    error = refused(parse(query, no_location=True), variables)
    assert error is None or error.extensions is not None
    return None if error is None else str((error.extensions or {})["limit"])


def test_depth_is_bounded_through_fragments_too() -> None:
    deep = "{ a " * DEPTH + "}" * DEPTH
    assert limit(deep) is None
    assert limit("{ a " + deep + "}") == "depth"
    half = "a { " * DEPTH + "a" + "}" * DEPTH
    assert limit(f"{{ ...F }} fragment F on Query {{ {half} }}") == "depth"
    assert limit(f"{{ ... on Query {{ {half} }} }}") == "depth"


def test_aliases_are_counted_through_fragments_too() -> None:
    some = " ".join(f"a{n}: __typename" for n in range(ALIASES))
    assert limit(f"{{ {some} }}") is None
    assert limit(f"{{ {some} b: __typename }}") == "aliases"
    assert limit(f"{{ ...F b: __typename }} fragment F on Query {{ {some} }}") == "aliases"


def test_cost_grows_with_what_a_page_holds() -> None:
    nested = "{ executions(first: %s) { nodes { questions { id execution { id inputs } } } } }"
    assert limit(nested % 100) is None
    steps = "{ executions(first: %s) { nodes { steps(first: %s) { nodes { path } } } } }"
    assert limit(steps % (20, 100)) is None
    assert limit(steps % (100, 100)) == "cost"
    asked = "query ($a: Int!, $b: Int = 100) " + steps % ("$a", "$b")
    assert limit(asked, a=10) is None
    assert limit(asked, a=100) == "cost"
    assert limit(asked, a=100, b=1) is None
    assert limit(asked, a="many") == "cost"


def test_fragments_that_spread_each_other_a_thousand_times_are_weighed_at_once() -> None:
    """Each doubles the one before: followed one by one they would take for ever."""
    chain = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(200))
    assert limit("{ ...F0 } " + chain + "fragment F200 on Query { __typename }") == "cost"
    assert limit("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }") is None


def test_what_tools_ask_for_is_within_bounds() -> None:
    assert limit(get_introspection_query(input_value_deprecation=True)) is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ __typename " + "a " * TOKENS + "}", "too_much"),
        ("{ a " * 900 + "}" * 900, "too_much"),
        ("{ a " * 30 + "}" * 30, "too_much"),
        ("{ " + " ".join(f"a{n}: __typename" for n in range(ALIASES + 1)) + " }", "too_much"),
        ("{ a(b: " + "[" * 900 + "]" * 900 + ") }", "too_much"),
        ("{ __schema " + "{ types { fields { type " * 6 + "{ name }" + "} } }" * 6 + " }", None),
        ("{ ...A } " + "".join(f"fragment A{n} on Query {{ ...A }} " for n in range(100)), None),
    ],
    ids=["tokens", "nested", "deep", "aliases", "list", "introspection", "undefined"],
)
async def test_what_is_too_much_is_refused_cheaply(
    graph: Graph, query: str, code: str | None
) -> None:
    body = await graph.post(query)
    assert "data" not in body
    codes = {error["extensions"]["code"] for error in body["errors"]}
    assert codes <= {code or "invalid_query", "too_much"}


async def test_one_field_asked_for_again_and_again_is_not_compared_for_ever(
    graph: Graph,
) -> None:
    """Each is held against every other of its name: work that grows with the square."""
    body = await graph.post("{ " + "__typename " * 700 + "}")
    assert body["data"] == {"__typename": "Query"}
    for many in ("__typename " * (TOKENS - 10), "workflows { nodes { id } } " * 280):
        body = await graph.post("{ " + many + "}")
        assert body["errors"][0]["extensions"]["code"] == "too_much"


async def test_what_takes_too_long_is_ended(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = await graph.park()
    monkeypatch.setattr(limits, "SECONDS", 0.05)
    store: Any = graph.served.tenants.store("")

    async def slow(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "journals_of", slow)
    body = await graph.post(f'{{ execution(id: "{id}") {{ currentStep }} }}')
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "timeout"


async def test_what_nobody_expected_is_told_to_the_log_alone(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store: Any = graph.served.tenants.store("")

    async def broken(*_: object, **__: object) -> None:
        raise ValueError("the secret of the house")

    monkeypatch.setattr(store, "workflows", broken)
    with caplog.at_level(logging.ERROR):
        body = await graph.post("{ workflows { nodes { id } } }")
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "internal"}
    assert "secret" not in str(body)
    assert error["path"] == ["workflows"]
    assert "the secret of the house" in caplog.text


async def test_what_somebody_got_wrong_is_not_logged(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await graph.post("{ execution(id: 3) { id } nothing }")
        await graph.post("{ execution(id: 3) { id } }")
    assert "execution" not in caplog.text


async def test_numbers_that_json_cannot_carry_are_refused(graph: Graph) -> None:
    body = await graph.post(
        'mutation { startExecution(input: {workflow: "x", inputs: {n: 1%s}}) { __typename } }'
        % ("0" * 40)
    )
    assert body["errors"][0]["extensions"]["code"] == "invalid_query"


def test_the_bounds_let_an_honest_screen_through() -> None:
    """A hundred executions with everything one sees of them in a list."""
    screen = """{ executions(first: 100) { pageInfo { hasNextPage endCursor } nodes {
        id workflowName workflowVersion status createdAt startedAt completedAt priority paused
        notices error { code message path } cost { usd calls inputTokens outputTokens }
        workflow { id description } } } }"""
    assert limit(screen) is None
    assert COST >= 100 * 25
