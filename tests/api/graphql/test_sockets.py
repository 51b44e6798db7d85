"""Operations over a WebSocket: queries, changes, and subscriptions that lose nothing."""

from __future__ import annotations

import asyncio
import json
import socket as network
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.api.http.conftest import Served, issued, serving

from assay.api import feed
from assay.api import serving as server
from assay.api.graphql import sockets

from .conftest import ASKS, HELLO, Graph
from .sockets import Socket, socket

pytestmark = pytest.mark.anyio

ALL = """subscription ($after: String, $where: EventsWhere) { events(after: $after, where: $where) {
    executionId seq type path at data live cursor } }"""
ONE = """subscription ($id: ID!, $after: Int! = 0) { executionEvents(id: $id, after: $after) {
    executionId seq type path live cursor } }"""


async def take(one: Socket, count: int) -> list[Any]:
    """So many events of the one subscription that goes on."""
    told = []
    for _ in range(count):
        message = await one.receive()
        assert message["type"] == "next", message
        told.append(message["payload"]["data"]["events"])
    return told


async def test_queries_and_changes_are_asked_over_a_socket(graph: Graph) -> None:
    await graph.register(HELLO)
    async with socket(graph.served, "operator") as one:
        query = "{ workflows { nodes { id } } }"
        assert [r async for r in one.results("1", query)] == [
            {"workflows": {"nodes": [{"id": "hello@1"}]}}
        ]
        start = """mutation ($w: String!) { startExecution(input: {workflow: $w}) { __typename
          ... on ExecutionStarted { execution { id } } ... on Problem { code } } }"""
        (did,) = [r async for r in one.results("1", start, w="hello")]
        id = did["startExecution"]["execution"]["id"]
        assert (await graph.served.tenants.app().wait(id)).status == "completed"
        (did,) = [r async for r in one.results("1", start, w="nobody")]
        assert did["startExecution"]["code"] == "workflow_not_found"
    audit = await graph.ask('{ audit(target: "hello") { nodes { data } } }')
    assert audit["audit"]["nodes"][0]["data"]["surface"] == "ws"


async def test_what_is_wrong_ends_an_operation_with_one_error(graph: Graph) -> None:
    async with socket(graph.served) as one:
        for query, code in (
            ("{", "syntax"),
            ("{ nothing }", "invalid_query"),
            ("query A { __typename } query B { __typename }", "invalid_query"),
            ("{ a " * 30 + "}" * 30, "too_much"),
            ('subscription { executionEvents(id: "x") { seq } }', "execution_not_found"),
            ('subscription { executionEvents(id: "x", after: -1) { seq } }', "invalid_input"),
            ('subscription { events(where: {types: ["Token"]}) { seq } }', "invalid_input"),
        ):
            await one.subscribe("1", query)
            message = await one.receive()
            assert (message["type"], message["id"]) == ("error", "1")
            assert message["payload"][0]["extensions"]["code"] == code
        # What is wrong with a cursor only the store can say, when it has been asked.
        await one.subscribe("1", 'subscription { events(after: "nonsense") { seq } }')
        told = await one.receive()
        assert told["payload"]["errors"][0]["extensions"]["code"] == "invalid_input"
        assert (await one.receive())["type"] == "complete"


async def test_an_execution_is_followed_to_its_end_and_from_anywhere(graph: Graph) -> None:
    id, question = await graph.park()
    async with socket(graph.served, "operator") as one:
        await one.subscribe("1", ONE, id=id)
        told: list[Any] = []
        while not told or told[-1]["type"] != "QuestionAsked":
            told.append((await one.receive())["payload"]["data"]["executionEvents"])
        answer = "mutation ($id: ID!) { answerQuestion(id: $id, approved: true) { __typename } }"
        await one.subscribe("2", answer, id=question)
        while (message := await one.receive())["type"] != "complete" or message["id"] != "1":
            if message["id"] == "1":
                told.append(message["payload"]["data"]["executionEvents"])
        kept = [event for event in told if not event["live"]]
        assert [event["seq"] for event in kept] == list(range(1, len(kept) + 1))
        assert kept[-1]["type"] == "ExecutionCompleted"
        assert {event["executionId"] for event in told} == {id}
        for after in range(len(kept) + 1):
            rest = [r["executionEvents"] async for r in one.results("3", ONE, id=id, after=after)]
            assert rest == kept[after:]


async def test_output_of_a_step_is_told_as_live_and_numbered_by_nothing(graph: Graph) -> None:
    speaks = {
        "name": "speaks",
        "steps": [
            {"id": "ask", "type": "approval", "message": "Go?"},
            {"id": "say", "type": "shell", "command": "echo one; sleep 0.3; echo two"},
        ],
    }
    id, question = await graph.park(speaks)
    async with socket(graph.served, "operator") as one:
        await one.subscribe("1", ONE, id=id)
        while (await one.receive())["payload"]["data"]["executionEvents"][
            "type"
        ] != "QuestionAsked":
            pass
        await graph.served.tenants.app().manager.answer(question)
        told = []
        while (message := await one.receive())["type"] == "next":
            told.append(message["payload"]["data"]["executionEvents"])
    live = [event for event in told if event["live"]]
    assert live
    assert {(e["seq"], e["type"], e["path"]) for e in live} == {(0, "StepOutput", "say")}
    assert all(event["seq"] for event in told if not event["live"])


async def test_all_executions_are_followed_and_each_cursor_can_be_gone_on_from(
    graph: Graph,
) -> None:
    await graph.register(HELLO)
    ids = [await graph.run(HELLO) for _ in range(3)]
    journal = [
        (id, event.seq)
        for id in ids
        async for event in graph.served.tenants.app().manager.events(id)
    ]
    async with socket(graph.served) as one:
        await one.subscribe("1", ALL, after="")
        told = await take(one, len(journal))
        assert sorted((e["executionId"], e["seq"]) for e in told) == sorted(journal)
        assert not any(event["live"] for event in told)
        await one.send("complete", id="1")
        for place, event in enumerate(told[:-1]):
            await one.subscribe(f"from {place}", ALL, after=event["cursor"])
            assert await take(one, len(told) - place - 1) == told[place + 1 :]
            await one.send("complete", id=f"from {place}")
        await one.subscribe("last", ALL, after=told[-1]["cursor"])
        id = await graph.run(HELLO)
        (new,) = await take(one, 1)
        assert (new["executionId"], new["seq"]) == (id, 1)


async def test_only_what_is_wanted_of_all_executions_is_told(graph: Graph) -> None:
    done = await graph.run(HELLO)
    parked, _ = await graph.park()
    async with socket(graph.served) as one:
        where: Any = {"types": ["ExecutionCompleted", "QuestionAsked"]}
        await one.subscribe("1", ALL, after="", where=where)
        told = await take(one, 2)
        assert {(e["executionId"], e["type"]) for e in told} == {
            (done, "ExecutionCompleted"),
            (parked, "QuestionAsked"),
        }
        await one.send("complete", id="1")
        await one.subscribe("2", ALL, after="", where={"workflow": "as*"})
        assert {event["executionId"] for event in await take(one, 3)} == {parked}


async def test_what_no_scope_covers_is_not_told(graph: Graph) -> None:
    hidden, _ = await graph.park(ASKS)
    seen = await graph.run(HELLO)
    keys: Any = graph.served.keys
    keys["scoped"] = await issued(graph.served.tenants, "", "viewer", "hel*")
    async with socket(graph.served, "scoped") as one:
        await one.subscribe("1", ALL, after="", where={"types": ["ExecutionStarted"]})
        assert [event["executionId"] for event in await take(one, 1)] == [seen]
        await one.subscribe("2", ONE, id=hidden)
        message = await one.receive()
        assert message["payload"][0]["extensions"]["code"] == "execution_not_found"
    async with socket(graph.served, "other viewer") as one:
        await one.subscribe("1", ALL, after="")
        await one.subscribe("2", ONE, id=seen)
        message = await one.receive()
        assert message["payload"][0]["extensions"]["code"] == "execution_not_found"


async def test_many_operations_go_on_at_once(graph: Graph) -> None:
    await graph.register(HELLO)
    id = await graph.run(HELLO)
    kept = [e.seq async for e in graph.served.tenants.app().manager.events(id)]
    async with socket(graph.served) as one:
        many = range(sockets.OPERATIONS)
        for n in many:
            await one.subscribe(str(n), ONE, id=id)
        seen: dict[str, list[int]] = {str(n): [] for n in many}
        left = set(seen)
        while left:
            message = await one.receive()
            if message["type"] == "complete":
                left.remove(message["id"])
            else:
                seen[message["id"]].append(message["payload"]["data"]["executionEvents"]["seq"])
        assert all(told == kept for told in seen.values())


async def test_more_operations_than_there_may_be_are_refused_one_by_one(graph: Graph) -> None:
    async with socket(graph.served) as one:
        for n in range(sockets.OPERATIONS):
            await one.subscribe(str(n), ALL)
        await one.subscribe("more", "{ __typename }")
        message = await one.receive()
        assert (message["type"], message["id"]) == ("error", "more")
        await one.send("complete", id="0")
        assert [each async for each in one.results("more", "{ __typename }")]


async def test_who_completes_hears_nothing_more_and_nothing_goes_on_for_them(graph: Graph) -> None:
    async with socket(graph.served) as one:
        await one.subscribe("1", ALL, after="")
        await graph.run(HELLO)
        await take(one, 1)
        await one.send("complete", id="1")
        await one.send("ping")
        while (await one.receive())["type"] != "pong":
            pass
        await graph.run(HELLO)
        await one.subscribe("2", "{ __typename }")
        assert (await one.receive())["id"] == "2"
        await one.receive()
        await one.subscribe("3", ALL)
    await followed(graph.served, False)


async def test_a_quiet_socket_is_told_how_far_it_has_come(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor goes on although nothing that happens is wanted; and there is one from the
    start, for who is cut off before anything has happened."""
    monkeypatch.setattr(sockets, "HEARTBEAT", 0.1)
    async with socket(graph.served) as one:
        await one.subscribe("1", ALL, where={"workflow": "nobody"})
        first = json.loads(await one.wire.recv())
        while "1" not in first["payload"]["after"]:
            first = json.loads(await one.wire.recv())
        await graph.run(HELLO)
        later = first
        async with asyncio.timeout(60):
            while later["payload"]["after"]["1"] == first["payload"]["after"]["1"]:
                later = json.loads(await one.wire.recv())
                await one.send("pong")
        await one.subscribe("2", ALL, after=first["payload"]["after"]["1"])
        assert (await take(one, 1))[0]["seq"] == 1
        await one.send("complete", id="2")
        id, _ = await graph.park()
        await one.subscribe("3", ALL, after=later["payload"]["after"]["1"])
        while (event := (await take(one, 1))[0])["executionId"] != id:
            assert event["seq"] > 1, "the end of the one before may come after the ping"


async def test_who_reads_nothing_is_waited_for_and_then_told_where_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is said than the little that the buffers between the two hold."""
    monkeypatch.setattr(sockets, "STALLED", 1.0)
    listen = server._listen

    def narrow(address: str) -> network.socket:
        listening = listen(address)
        listening.setsockopt(network.SOL_SOCKET, network.SO_SNDBUF, 4096)
        return listening

    monkeypatch.setattr(server, "_listen", narrow)
    steps = [{**HELLO["steps"][0], "id": f"s{n}"} for n in range(100)]  # type: ignore[index]
    again = " ".join(f"a{n}: data" for n in range(25))
    query = f"subscription ($after: String) {{ events(after: $after) {{ seq cursor {again} }} }}"
    async with serving(tmp_path) as served:
        id = (await served.tenants.app().run({**HELLO, "steps": steps})).id
        kept = [event.seq async for event in served.tenants.app().manager.events(id)]
        plug = network.socket()
        plug.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 4096)
        plug.setblocking(False)
        url = urlsplit(served.url)
        await asyncio.get_running_loop().sock_connect(plug, (url.hostname, url.port))
        seen: list[Any] = []
        async with socket(served, sock=plug, max_queue=1, compression=None) as one:
            await one.subscribe("1", query, after="")
            await followed(served, True)
            await followed(served, False)  # and nothing is read meanwhile
            code, reason = await one.closed(seen)
        assert code == 1013
        seen = [json.loads(text)["payload"]["data"]["events"] for text in seen]
        assert [event["seq"] for event in seen] == kept[: len(seen)]
        assert 0 < len(seen) < len(kept)
        named = json.loads(reason.partition("after ")[2])["1"]
        assert named in [event["cursor"] for event in seen[-2:]]
        async with socket(served) as one:
            await one.subscribe("1", query, after=seen[-1]["cursor"])
            rest = [event["seq"] for event in await take(one, len(kept) - len(seen))]
        assert [event["seq"] for event in seen] + rest == kept


async def test_a_server_that_ends_says_where_to_go_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as clients:
        async with serving(tmp_path) as served:
            id = (await served.tenants.app().run(HELLO)).id
            kept = [event.seq async for event in served.tenants.app().manager.events(id)]
            one = await clients.enter_async_context(socket(served))
            await one.subscribe("a", ALL, after="")
            last = (await take(one, len(kept)))[-1]["cursor"]
            await one.send("ping")
            assert (await one.receive())["type"] == "pong"
        code, reason = await one.closed()
        assert code == 1012
        assert json.loads(reason.partition("after ")[2]) == {"a": last}


async def followed(served: Served, wanted: bool) -> None:
    """Until somebody follows events, or nobody does any more."""
    told = feed._feed(served.tenants.app().manager)
    async with asyncio.timeout(60):
        while bool(told._listeners) is not wanted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
