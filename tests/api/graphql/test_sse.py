"""Operations over server-sent events: graphql-sse, each over a connection of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.http.conftest import Served, serving

from assay.api.graphql import sse

from .conftest import HELLO, Graph
from .test_sockets import ALL, ONE, followed

pytestmark = pytest.mark.anyio


class Stream:
    """What is said over one connection; comments apart, each an event and its data."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self.placed = asyncio.Event()

    async def events(self) -> AsyncGenerator[tuple[str, Any]]:
        name = ""
        async for line in self.response.aiter_lines():
            field, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line[2:])
                if _after(line[2:]):
                    self.placed.set()
            elif field == "event":
                name = value
            elif field == "data" or line == "data:":
                yield name, json.loads(value) if value else None


@asynccontextmanager
async def stream(
    served: Served, query: str, role: str | None = "viewer", /, **variables: Any
) -> AsyncIterator[Stream]:
    headers = {"accept": "text/event-stream"}
    body = {"query": query, "variables": variables}
    async with (
        served.client(role) as client,
        client.stream("POST", "/graphql", json=body, headers=headers) as response,
    ):
        yield Stream(response)


async def said(graph: Graph, query: str, role: str = "viewer", /, **variables: Any) -> list[Any]:
    """Everything, to the end of the stream."""
    async with stream(graph.served, query, role, **variables) as one:
        assert one.response.status_code == 200
        assert one.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return [each async for each in one.events()]


async def test_queries_and_changes_are_answered_by_one_event(graph: Graph) -> None:
    await graph.register(HELLO)
    assert await said(graph, "{ __typename }") == [
        ("next", {"data": {"__typename": "Query"}}),
        ("complete", None),
    ]
    start = 'mutation { startExecution(input: {workflow: "hello"}) { __typename } }'
    (_, told), _ = await said(graph, start, "operator")
    assert told["data"]["startExecution"]["__typename"] == "ExecutionStarted"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "syntax"),
        ("{ nothing }", "invalid_query"),
        ("query A { __typename } query B { __typename }", "invalid_query"),
        ("{ a " * 30 + "}" * 30, "too_much"),
        ('subscription { executionEvents(id: "x") { seq } }', "execution_not_found"),
        ('subscription { events(after: "nonsense") { seq } }', "invalid_input"),
        ('subscription { events(where: {types: ["x"]}) { seq } }', "invalid_input"),
    ],
)
async def test_what_is_wrong_is_told_over_the_stream(graph: Graph, query: str, code: str) -> None:
    (name, told), end = await said(graph, query)
    assert name == "next"
    assert "data" not in told or "nonsense" in query, "what never began has none"
    assert told["errors"][0]["extensions"]["code"] == code
    assert end == ("complete", None)


async def test_nobody_without_a_key_is_streamed_anything(graph: Graph) -> None:
    async with stream(graph.served, ALL, None) as one:
        assert one.response.status_code == 401


async def test_an_execution_is_followed_to_its_end_and_from_anywhere(graph: Graph) -> None:
    id, question = await graph.park()
    manager = graph.served.tenants.app().manager
    async with stream(graph.served, ONE, id=id) as one, aclosing(one.events()) as told:
        _, first = await anext(told)
        assert first["data"]["executionEvents"]["seq"] == 1
        await manager.answer(question)
        rest = [each async for each in told]
    assert rest[-1] == ("complete", None)
    kept = [event.seq async for event in manager.events(id)]
    numbers = [data["data"]["executionEvents"]["seq"] for _, data in rest[:-1]]
    assert [1, *(seq for seq in numbers if seq)] == kept
    again = await said(graph, ONE, id=id, after=kept[-3])
    assert [data["data"]["executionEvents"]["seq"] for _, data in again[:-1]] == kept[-2:]


async def test_all_executions_are_followed_from_a_cursor(graph: Graph) -> None:
    await graph.run(HELLO)
    async with stream(graph.served, ALL, after="") as one, aclosing(one.events()) as told:
        first = [(await anext(told))[1]["data"]["events"] for _ in range(2)]
    await followed(graph.served, False)
    after = first[0]["cursor"]
    async with stream(graph.served, ALL, after=after) as one, aclosing(one.events()) as told:
        assert (await anext(told))[1]["data"]["events"] == first[1]


async def test_a_quiet_stream_says_how_far_it_has_come(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.05)
    where = {"types": ["ExecutionCompleted"]}
    async with stream(graph.served, ALL, where=where) as one, aclosing(one.events()) as told:
        upcoming = asyncio.ensure_future(anext(told))
        await one.placed.wait()
        await graph.run(HELLO)
        _, event = await upcoming
    after = next(each for each in map(_after, one.comments) if each is not None)
    async with stream(graph.served, ALL, after=after) as one, aclosing(one.events()) as told:
        assert (await anext(told))[1]["data"]["events"]["seq"] == 1
    assert event["data"]["events"]["type"] == "ExecutionCompleted"


async def test_a_key_that_is_revoked_ends_its_streams(graph: Graph) -> None:
    store = graph.served.tenants.store("")
    assert store is not None
    async with stream(graph.served, ALL) as one:
        await store.delete_principal(graph.served.keys["viewer"].split("_")[1])
        (_, told), end = [each async for each in one.events()]
    assert told["errors"][0]["extensions"]["code"] == "not_authenticated"
    assert end == ("complete", None)


async def test_a_server_that_ends_says_how_far_a_stream_has_come(tmp_path: Path) -> None:
    """And not that it is complete: it is worth coming back for."""
    async with AsyncExitStack() as clients:
        async with serving(tmp_path) as served:
            await served.tenants.app().run(HELLO)
            one = await clients.enter_async_context(stream(served, ALL, after=""))
            told = await clients.enter_async_context(aclosing(one.events()))
            _, event = await anext(told)
            reading = asyncio.ensure_future(_rest(told))
        rest = [data["data"]["events"] for name, data in await reading]
    assert _after(one.comments[-1]) == [event["data"]["events"], *rest][-1]["cursor"]


async def _rest(told: AsyncIterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [each async for each in told]


def _after(comment: str) -> str | None:
    found: str | None = json.loads(comment)["after"]
    return found
