"""The audits of a server that the graphql-http project publishes, by the names they have there.

Each is stated again in our words. `UNLIKE` names those that are not followed, and why; all of
them are of the kind that SHOULD or MAY hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import httpx
import pytest

from .conftest import Graph

pytestmark = pytest.mark.anyio

RESPONSE, JSON = "application/graphql-response+json", "application/json"
SHORT = {RESPONSE: "GraphQL's own form", JSON: "plain JSON"}
HELLO = {"query": "{ __typename }"}
WRONG: Mapping[str, tuple[Any, ...]] = {
    "query": ({"obj": "ect"}, 0, False, ["array"]),
    "operationName": ({"obj": "ect"}, 0, False, ["array"]),
    "variables": ("string", 0, False, ["array"]),
    "extensions": ("string", 0, False, ["array"]),
}
Holds = Callable[[httpx.Response], bool]


class Audit(NamedTuple):
    id: str
    level: str
    says: str
    holds: Holds
    body: Any = HELLO
    headers: Mapping[str, str | None] = {}
    method: str = "POST"


def status(*allowed: int) -> Holds:
    return lambda response: response.status_code in allowed


def typed(media: str) -> Holds:
    return lambda r: r.status_code == 200 and media in r.headers["content-type"]


def failed(response: httpx.Response) -> bool:
    """200, and an answer that says what is wrong."""
    return response.status_code == 200 and "errors" in response.json()


def fine(response: httpx.Response) -> bool:
    return response.status_code == 200 and "errors" not in response.json()


def dataless(response: httpx.Response) -> bool:
    return "data" not in response.json()


def utf8(response: httpx.Response) -> bool:
    return bool(response.content.decode("utf-8"))


REFUSED = status(*range(400, 500))
BROKEN = status(*range(400, 600))
TYPE = "query Type($name: String!) { __type(name: $name) { name } }"
NAMED = {"query": TYPE, "variables": {"name": "sometype"}}
OPERATION = {"operationName": "Query", "query": "query Query { __typename }"}
GET = {"content-type": None, "accept": None}


def audits() -> Iterator[Audit]:
    body: Any
    accept = {media: {"accept": media} for media in (RESPONSE, JSON)}
    yield Audit(
        "22EB", "SHOULD", "answers in GraphQL's own form", typed(RESPONSE), HELLO, accept[RESPONSE]
    )
    yield Audit("4655", "MUST", "answers in plain JSON", typed(JSON), HELLO, accept[JSON])
    yield Audit("47DE", "SHOULD", "any form is plain JSON", typed(JSON), HELLO, {"accept": "*/*"})
    yield Audit("80D8", "SHOULD", "no wish is plain JSON", typed(JSON), HELLO, {"accept": None})
    yield Audit("82A3", "MUST", "answers in UTF-8", utf8)
    charset = {"content-type": f"{JSON}; charset=utf-8"}
    yield Audit("BF61", "MUST", "takes UTF-8", status(200), HELLO, charset)
    yield Audit("78D5", "MUST", "takes it for UTF-8 when nothing is said", status(200))
    yield Audit("2C94", "MUST", "takes POST", status(200))
    asked = "?query={__typename}"
    yield Audit("5A70", "MAY", "takes GET", status(200), asked, GET, "GET")
    change = "?query=mutation{__typename}"
    yield Audit(
        "9C48", "MAY", "changes nothing by GET", REFUSED, change, {**GET, **accept[RESPONSE]}, "GET"
    )
    yield Audit(
        "9ABE", "SHOULD", "4xx without a content type", REFUSED, b"", {"content-type": None}
    )
    yield Audit("03D4", "MUST", "takes JSON by POST", status(200))
    yield Audit("7267", "MUST", "wants a body", lambda r: "errors" in r.json(), b"")
    typo = {"notquery": "{ __typename }"}
    yield Audit("6610", "SHOULD", "400 without a query", status(400), typo, accept[RESPONSE])
    yield Audit("3715", "SHOULD", "200 without a query", failed, typo, accept[JSON])
    for names, member in zip(("4F5 9FE", "E3E FB9", "69B F05", "904 368"), WRONG, strict=True):
        own, plain = names.split()
        for n, value in enumerate(WRONG[member]):
            body = {**HELLO, member: value}
            kind = type(value).__name__
            says = f"{kind} as {member}"
            yield Audit(f"{own}{n}", "SHOULD", f"400: {says}", status(400), body, accept[RESPONSE])
            yield Audit(f"{plain}{n}", "SHOULD", f"200: {says}", failed, body, accept[JSON])
    allowed = {
        "query": ("34A2", "13EE"),
        "operationName": ("8161", "B8B3"),
        "variables": ("2EA1", "28B9"),
        "extensions": ("428F", "1B7A"),
    }
    for member, (media, level) in product(allowed, [(RESPONSE, "SHOULD"), (JSON, "MUST")]):
        body = {
            "query": HELLO,
            "operationName": OPERATION,
            "variables": NAMED,
            "extensions": {**HELLO, "extensions": {"some": "value"}},
        }[member]
        id = allowed[member][media == JSON]
        yield Audit(id, level, f"takes {member}, {SHORT[media]}", fine, body, accept[media])
    for n, member in enumerate(("variables", "operationName", "extensions")):
        for stem, media, level in (("94B", RESPONSE, "SHOULD"), ("022", JSON, "MUST")):
            body = {**HELLO, member: None}
            says = f"takes null as {member}, {SHORT[media]}"
            yield Audit(f"{stem}{n}", level, says, fine, body, accept[media])
    url = "?query=" + TYPE + '&variables={"name":"sometype"}'
    yield Audit(
        "D6D5",
        "MAY",
        "takes variables by GET",
        status(200),
        url,
        {**GET, **accept[RESPONSE]},
        "GET",
    )
    yield Audit("6A70", "MAY", "takes variables by GET", fine, url, {**GET, **accept[JSON]}, "GET")
    broken, qeury = b'{ "not a JSON', {"qeury": "{ __typename }"}
    unread = {"query": "{"}
    invalid = {"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"}
    wrong: list[tuple[str, Any]] = [
        ("D477 60AA 2163", broken),
        ("F5AF 3E36 17C5 34D6", qeury),
        ("572B 865D 556A D586", unread),
        ("FDE2 51FE 74FF 5E5B", invalid),
    ]
    for ids, body in wrong:
        first, *others = ids.split()
        yield Audit(first, "SHOULD", "200 whatever is wrong", status(200), body, accept[JSON])
        for id, holds in zip(others, (BROKEN, status(400), dataless), strict=False):
            yield Audit(id, "SHOULD", "400 and no data", holds, body, accept[RESPONSE])


AUDITS = {audit.id: audit for audit in audits()}

ILL_FORMED = (
    "the specification itself has 400 for what is no well-formed request, whatever the form of "
    "the answer, and newer releases of the audits do not ask for 200 any more"
)
BY_POST = "GraphQL is asked by POST alone: a link, or a page of another site, asks for nothing"
UNLIKE: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(("3715", "D477", "F5AF"), (ILL_FORMED, 400)),
    **dict.fromkeys(
        (f"{stem}{n}" for stem in ("9FE", "FB9", "F05", "368") for n in range(4)), (ILL_FORMED, 400)
    ),
    **dict.fromkeys(("5A70", "D6D5", "6A70"), (BY_POST, 405)),
}


@pytest.fixture
def graph(still: Graph) -> Graph:
    return still


async def asked(graph: Graph, audit: Audit) -> httpx.Response:
    headers = {"content-type": JSON, "accept": "*/*", **audit.headers}
    async with graph.served.client("viewer") as client:
        for name, value in headers.items():
            if value is None:
                client.headers.pop(name, None)
        given = {name: value for name, value in headers.items() if value is not None}
        if isinstance(audit.body, str):
            return await client.request(audit.method, "/graphql" + audit.body, headers=given)
        content = audit.body if isinstance(audit.body, bytes) else json.dumps(audit.body)
        return await client.request(audit.method, "/graphql", content=content, headers=given)


@pytest.mark.parametrize("id", AUDITS)
async def test_an_audit_holds_or_says_why_not(graph: Graph, id: str) -> None:
    audit = AUDITS[id]
    response = await asked(graph, audit)
    if id not in UNLIKE:
        assert audit.holds(response), (audit.level, audit.says, response.status_code, response.text)
        return
    assert not audit.holds(response), "it does hold: it need not be named"
    assert response.status_code == UNLIKE[id][1]
    assert "errors" in response.json()


def test_every_audit_is_here_and_what_must_hold_does() -> None:
    assert len(AUDITS) == 78
    assert {AUDITS[id].level for id in UNLIKE} == {"SHOULD", "MAY"}
    assert all(reason for reason, _ in UNLIKE.values())
