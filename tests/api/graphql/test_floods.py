"""Documents made to cost much: refused for next to nothing, and nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import Graph

pytestmark = pytest.mark.anyio

DEEP = 10_000


def document(query: str, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


FLOODS: dict[str, Callable[[], bytes]] = {
    "fields in fields": lambda: document("{ a " * DEEP + "}" * DEEP),
    "inline fragments in each other": lambda: document("{ ... " * DEEP + "{ a }" + "}" * DEEP),
    "lists in lists": lambda: document("{ a(b: " + "[" * DEEP + "]" * DEEP + ") }"),
    "objects in objects": lambda: document("{ a(b: " + "{c: " * DEEP + "1" + "}" * DEEP + ") }"),
    "types in lists": lambda: document("query ($a: " + "[" * DEEP + "Int" + "]" * DEEP + ") { a }"),
    "braces never closed": lambda: document("{ a " * DEEP),
    "aliases": lambda: document("{ " + " ".join(f"a{n}: __typename" for n in range(DEEP)) + " }"),
    "a few more aliases than there may be": lambda: document(
        "{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }"
    ),
    "a fragment that spreads itself": lambda: document(
        "{ ...F } fragment F on Query { __typename ...F }"
    ),
    "fragments that spread each other": lambda: document(
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 200} }}" for n in range(200))
    ),
    "fragments that double each other": lambda: document(
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(150))
        + " fragment F150 on Query { __typename }"
    ),
    "directives": lambda: document("{ __typename " + "@include(if: true) " * DEEP + "}"),
    "directives that are none": lambda: document("{ __typename " + "@a " * 900 + "}"),
    "operations": lambda: document(" ".join(f"query Q{n} {{ __typename }}" for n in range(400))),
    "variables that nobody uses": lambda: document(
        "query (" + " ".join(f"$a{n}: Int" for n in range(450)) + ") { __typename }"
    ),
    "introspection of introspection": lambda: document(
        "{ __schema { types "
        + "{ fields { type { fields { type " * 3
        + "{ name }"
        + "} } } }" * 3
        + " } }"
    ),
    "listings of listings": lambda: document(
        "{ executions(first: 100) { nodes { steps(first: 100) { nodes { path } } "
        "questions { execution { events(first: 100) { nodes { seq } } } } } } }"
    ),
    "a name without an end": lambda: document("{ " + "a" * 500_000 + " }"),
    "a number without an end": lambda: document("{ workflows(first: " + "9" * 500_000 + ") }"),
    "tokens": lambda: document("{ " + "a " * 300_000 + "}"),
    "an operation of a name without an end": lambda: document(
        "query A { __typename }", operationName="B" * 500_000
    ),
    "a batch": lambda: b"[" + b",".join([document("{ __typename }")] * 1000) + b"]",
    "JSON in JSON": lambda: (
        b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}"
    ),
    "a fraction without an end": lambda: document("{ a(b: {c: [1." + "9" * 500_000 + "]}) }"),
    "a number in a default": lambda: document(
        "query ($n: Int = " + "9" * 5000 + ") { workflows(first: $n) { nodes { id } } }"
    ),
    "a number in a directive": lambda: document("{ __typename @skip(if: " + "9" * 5000 + ") }"),
    "a variable that is no number": lambda: document(
        "query ($n: Int!) { workflows(first: $n) { nodes { id } } }", variables={"n": 10**400}
    ),
}


def refused(response: httpx.Response) -> None:
    body = response.json()
    assert response.status_code in (200, 400, 413, 422), response.text[:500]
    assert "data" not in body
    codes = {error["extensions"]["code"] for error in body["errors"]} if "errors" in body else set()
    assert codes <= {"too_much", "syntax", "invalid_query", "bad_request"}, codes
    assert codes or body["detail"], "said at the door, as of every surface"


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_refused_with_a_reason(still: Graph, flood: str) -> None:
    body = FLOODS[flood]()
    async with still.served.client("viewer") as client, asyncio.timeout(120):
        given = {"content-type": "application/json"}
        response = await client.post("/graphql", content=body, headers=given)
        refused(response)
        assert len(response.content) < 20_000, "it is not said again, many times over"
        assert (await client.post("/graphql", json={"query": "{ __typename }"})).json() == {
            "data": {"__typename": "Query"}
        }


async def test_what_is_large_and_right_is_answered(still: Graph) -> None:
    query = "query ($a: String) { workflows(name: $a) { nodes { id } } }"
    for text in ("{ __typename }" + " " * 200_000, "{ __typename }" + "#" + "x" * 200_000):
        assert (await still.ask(text))["__typename"] == "Query"
    body = await still.post(query, a="x" * 500_000)
    assert body["errors"][0]["extensions"]["code"] == "workflow_not_found"


async def test_floods_leave_nothing_behind(still: Graph) -> None:
    floods = [flood() for flood in FLOODS.values()]
    given = {"content-type": "application/json"}
    held = []
    async with still.served.client("viewer") as client:
        tracemalloc.start()
        try:
            for _ in range(4):
                for body in floods:
                    refused(await client.post("/graphql", content=body, headers=given))
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    # The first rounds fill what is remembered for good.
    assert held[-1] - held[1] < 200_000, held
