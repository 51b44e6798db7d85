"""The close codes of graphql-transport-ws: each in exactly its cases, and none elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.api.http.conftest import serving

from assay.api.graphql import sockets
from assay.api.identity import FRESH
from assay.api.listening import LOOK

from .conftest import Graph
from .sockets import socket

pytestmark = pytest.mark.anyio

FOREVER = "subscription { events { seq } }"
INIT: Any = {"type": "connection_init", "payload": {"apiKey": "%KEY%"}}


def subscribing(id: Any = "1", **payload: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": id, "payload": {"query": FOREVER, **payload}}


UNFIT: list[Any] = [
    "{",
    "null",
    "[]",
    '"x"',
    "",
    b"{}",
    "[" * 5000,
    {},
    {"type": 3},
    {"type": "start"},
    {"type": "connection_ack"},
    {"type": "next", "id": "1", "payload": {}},
    {"type": "error", "id": "1", "payload": []},
    {"type": "ping", "payload": []},
    {"type": "ping", "payload": "x"},
    {"type": "pong", "payload": 3},
    {"type": "complete"},
    {"type": "complete", "id": 1},
    {"type": "complete", "id": ""},
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "payload": {"query": FOREVER}},
    subscribing(id=1),
    subscribing(id=""),
    subscribing(query=None),
    subscribing(query={}),
    subscribing(variables=[]),
    subscribing(variables="x"),
    subscribing(operationName=1),
    subscribing(extensions=1),
    {"type": "subscribe", "id": "1", "payload": FOREVER},
]
CASES: list[tuple[int, list[Any]]] = [
    *((4400, [INIT, unfit]) for unfit in UNFIT),
    (4400, [{"type": "connection_init", "payload": []}]),
    (4400, [{"type": "connection_init", "payload": "x"}]),
    (4401, [subscribing()]),
    (4401, [{"type": "ping"}, subscribing()]),
    (4403, [{"type": "connection_init"}]),
    (4403, [{"type": "connection_init", "payload": {"apiKey": "nonsense"}}]),
    (4403, [{"type": "connection_init", "payload": {"Authorization": "Bearer assay_x"}}]),
    (4403, [{"type": "connection_init", "payload": {"apiKey": 3}}]),
    (4409, [INIT, subscribing("a"), subscribing("a")]),
    (4429, [INIT, INIT]),
    (4429, [INIT, {"type": "connection_init"}]),
]


async def sent(graph: Graph, given: list[Any], role: str | None = None) -> tuple[int, str]:
    async with socket(graph.served, role) as one:
        for each in given:
            if not isinstance(each, str | bytes):
                each = json.dumps(each).replace("%KEY%", graph.served.keys["viewer"])
            await one.wire.send(each)
        return await one.closed()


@pytest.mark.parametrize(("code", "given"), CASES, ids=lambda v: str(v)[-60:])
async def test_a_socket_closes_with_the_code_of_what_went_wrong(
    graph: Graph, code: int, given: list[Any]
) -> None:
    closed, reason = await sent(graph, given)
    assert closed == code
    assert reason


HARMLESS: list[list[Any]] = [
    [{"type": "ping"}],
    [{"type": "pong"}],
    [{"type": "pong", "payload": {"any": "thing"}}],
    [{"type": "complete", "id": "nobody"}],
    [subscribing("a"), {"type": "complete", "id": "a"}, subscribing("a")],
    [subscribing("a"), subscribing("b")],
    [subscribing("a", query="{")],
    [subscribing("a", query="")],
    [subscribing("a", query="{ nothing }")],
    [subscribing("a", query="query A { __typename } query B { __typename }")],
    [subscribing("a", query="query A { __typename }", operationName="B")],
    [subscribing("a", query="query ($n: Int!) { workflows(first: $n) { nodes { id } } }")],
    [subscribing("a", query='{ execution(id: "x") { id } }')],
    [subscribing("a", query="mutation { invalidateCache { __typename } }")],
    [subscribing("a", query='subscription { executionEvents(id: "x") { seq } }')],
    [subscribing("a", query='subscription { events(after: "nonsense") { seq } }')],
    [subscribing("a", query='subscription { events(where: {types: ["x"]}) { seq } }')],
    [subscribing("a", query="{ a " * 200 + "}" * 200)],
    [subscribing("a", variables=None, operationName=None, extensions=None)],
    [{**subscribing("a"), "more": 1}],
    [{"type": "ping", "payload": None}],
    [{"type": "ping", "id": 3}],
]


@pytest.mark.parametrize("given", HARMLESS, ids=lambda v: str(v)[:70])
async def test_a_socket_stays_open_over_what_breaks_no_rule(graph: Graph, given: list[Any]) -> None:
    async with socket(graph.served) as one:
        for each in given:
            await one.wire.send(json.dumps(each))
        await one.subscribe("last", "{ __typename }")
        while (message := await one.receive()).get("id") != "last":
            assert message["type"] in ("pong", "error", "next", "complete")
        assert message["payload"] == {"data": {"__typename": "Query"}}


async def test_a_message_that_is_too_large_is_not_read_to_its_end(graph: Graph) -> None:
    large = json.dumps({"type": "ping", "payload": {"x": "y" * (2 << 20)}})
    assert (await sent(graph, [INIT, large]))[0] == 1009


async def test_who_says_nothing_is_let_go_with_4408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "WELCOME", 0.2)
    async with serving(tmp_path) as served:
        async with socket(served, None) as one:
            await one.send("ping")
            assert await one.closed() == (4408, "Connection initialisation timeout")
        async with socket(served) as one:  # whoever has spoken in time stays
            assert [each async for each in one.results("1", "{ __typename }")]


@pytest.mark.parametrize("protocol", [None, "graphql-ws", "mqtt"])
async def test_who_speaks_another_protocol_is_let_go_with_4406(
    graph: Graph, protocol: str | None
) -> None:
    async with socket(graph.served, None, protocol) as one:
        assert (await one.closed())[0] == 4406


async def test_whoever_has_said_who_they_are_in_the_handshake_need_not_say_it_again(
    graph: Graph,
) -> None:
    headers = {"Authorization": f"Bearer {graph.served.keys['viewer']}"}
    async with socket(graph.served, None, additional_headers=headers) as one:
        await one.send("connection_init")
        assert await one.receive() == {"type": "connection_ack", "payload": {}}


async def test_a_key_that_is_revoked_closes_its_sockets_with_4403(graph: Graph) -> None:
    assert LOOK + FRESH < 5
    async with socket(graph.served, "operator") as one, socket(graph.served, "viewer") as other:
        await one.subscribe("a", FOREVER)
        store = graph.served.tenants.store("")
        assert store is not None
        key = graph.served.keys["operator"].split("_")[1]
        await store.delete_principal(key)
        code, reason = await one.closed()
        assert code == 4403
        assert "revoked" in reason
        assert [each async for each in other.results("1", "{ __typename }")]
