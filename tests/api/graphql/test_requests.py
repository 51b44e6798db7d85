"""GraphQL over HTTP: methods, media types, status codes, as the specification has them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import Graph

pytestmark = pytest.mark.anyio

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
OK = b'{"query": "{ __typename }"}'


@pytest.fixture
def graph(still: Graph) -> Graph:
    return still


async def send(
    graph: Graph,
    body: bytes = OK,
    method: str = "POST",
    role: str | None = "viewer",
    **headers: str,
) -> httpx.Response:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    async with graph.served.client(role) as client:
        given: Any = {"content-type": JSON, **named}
        return await client.request(method, "/graphql", content=body, headers=given)


def kind(response: httpx.Response) -> str:
    return response.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}; charset=utf-8, {JSON}; charset=utf-8", RESPONSE),
        (f"{JSON};q=0.5, {RESPONSE};q=0.9", RESPONSE),
        (f"text/html, {RESPONSE}", RESPONSE),
        (f"{RESPONSE};q=0, {JSON}", JSON),
        (f"{JSON}; charset=UTF-8", JSON),
    ],
)
async def test_the_answer_has_the_form_that_is_wanted(
    graph: Graph, accept: str, answered: str
) -> None:
    response = await send(graph, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", f"{JSON};q=0", f"{RESPONSE}; charset=latin-1", f"{JSON};q=x"]
)
async def test_a_form_that_there_is_not_is_406(graph: Graph, accept: str) -> None:
    response = await send(graph, accept=accept)
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "bad_request"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_graphql_is_asked_by_post_alone(graph: Graph, method: str) -> None:
    response = await send(graph, method=method)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    async with graph.served.client() as client:
        got = await client.get("/graphql", params={"query": "mutation { invalidateCache }"})
    assert got.status_code == 405


@pytest.mark.parametrize(
    "content",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "",
    ],
)
async def test_what_a_page_of_another_site_may_send_is_415(graph: Graph, content: str) -> None:
    response = await send(graph, content_type=content)
    assert response.status_code == 415


@pytest.mark.parametrize("content", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_is_json_however_it_is_written(graph: Graph, content: str) -> None:
    assert (await send(graph, content_type=content)).status_code == 200


@pytest.mark.parametrize("accept", [RESPONSE, JSON])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"3",
        b"{}",
        b'"{ __typename }"',
        b'[{"query": "{ __typename }"}]',
        b'{"query": ""}',
        b'{"query": 3}',
        b'{"query": {"a": 1}}',
        b'{"qeury": "{ __typename }"}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "x"}',
        b'{"query": "{ __typename }", "extensions": 1}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b"[" * 10_000,
    ],
)
async def test_what_is_no_request_is_400(graph: Graph, body: bytes, accept: str) -> None:
    response = await send(graph, body, accept=accept)
    assert response.status_code == 400
    assert "data" not in response.json()


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ __typename }", "variables": null, "operationName": null}',
        b'{"query": "{ __typename }", "variables": {}, "extensions": {"a": 1}}',
        b'{"query": "query A { __typename } query B { __typename }", "operationName": "B"}',
        '{"query": "{ __typename } # é"}'.encode(),
    ],
)
async def test_what_may_be_left_out_may_be_null(graph: Graph, body: bytes) -> None:
    response = await send(graph, body)
    assert response.status_code == 200
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"query": "{"}', "syntax"),
        (b'{"query": "{ nothing }"}', "invalid_query"),
        (b'{"query": "query A { __typename } query B { __typename }"}', "invalid_query"),
        (b'{"query": "{ __typename }", "operationName": "B"}', "invalid_query"),
        (b'{"query": "fragment F on Query { __typename }"}', "invalid_query"),
        (
            b'{"query": "query ($n: Int!) { workflows(first: $n) { nodes { id } } }"}',
            "invalid_query",
        ),
        (b'{"query": "subscription { executionEvents(id: 1) { seq } }"}', "invalid_query"),
    ],
)
async def test_a_document_that_is_not_executed_is_400_or_200_by_the_form_of_the_answer(
    graph: Graph, body: bytes, code: str
) -> None:
    for accept, status in ((RESPONSE, 400), (JSON, 200)):
        response = await send(graph, body, accept=accept)
        if b"subscription" not in body:
            assert response.status_code == status
        assert kind(response) == accept
        told = response.json()
        assert "data" not in told
        assert {error["extensions"]["code"] for error in told["errors"]} == {code}


async def test_an_error_in_a_field_leaves_the_rest(graph: Graph) -> None:
    body = b'{"query": "{ workflows { nodes { id } } execution(id: \\"x\\") { id } }"}'
    for accept in (RESPONSE, JSON):
        response = await send(graph, body, accept=accept)
        assert response.status_code == 200
        told = response.json()
        assert told["data"] == {"workflows": {"nodes": []}, "execution": None}
        assert next(iter(told)) == "errors"


async def test_nobody_is_asked_who_they_are(graph: Graph) -> None:
    """Introspection, too, is for those who have a key."""
    headers: Any
    for headers in ({}, {"authorization": "Bearer assay_x"}, {"x-api-key": "nonsense"}):
        response = await send(graph, role=None, **headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["errors"][0]["extensions"]["code"] == "not_authenticated"
    schema = b'{"query": "{ __schema { queryType { name } } }"}'
    assert (await send(graph, schema)).json()["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_a_key_may_stand_in_a_header_of_its_own(graph: Graph) -> None:
    response = await send(graph, role=None, x_api_key=graph.served.keys["viewer"])
    assert response.status_code == 200
