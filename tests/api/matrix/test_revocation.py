"""Who is let in no more is told no more: streams that are open end, on every surface."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api.http.conftest import Served, serving
from tests.api.issuing import AUDIENCE, Provider, providing
from websockets.exceptions import ConnectionClosed

from assay.api.access import Role
from assay.api.keys import issue
from assay.api.tokens import Issuer, OidcTokens
from assay.graphs.execution import Status

from .doors import DOORS, GRAPHQL_WS, OUT, opened
from .mcp import VERSION

pytestmark = pytest.mark.anyio

BOUND = 10.0
"""Seconds until a stream has ended: 5 are promised, the machine may be busy."""

WAITS = {"name": "waits", "steps": [{"id": "a", "type": "approval", "message": "Ship it?"}]}
SPEAKS = {
    "name": "speaks",
    "steps": [
        {"id": "s", "type": "shell", "command": "while true; do echo x; sleep 0.02; done"},
    ],
}
SAYS = {
    "name": "says",
    "steps": [{"id": "s", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}}],
}
CLIENT = {"name": "t", "version": "1"}
EVENTS = 'subscription { events(after: "") { type } }'
OF_ONE = 'subscription { executionEvents(id: "%s") { type } }'

Ready = asyncio.Event
Stream = Callable[[str, str, str, Ready], Coroutine[Any, Any, str]]
"""Opens a stream with a URL, a credential and an execution, says so, and gives how it ended."""


async def sse_of_one(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _sse(url, credential, "GET", f"/v1/executions/{execution}/events", None, ready)


async def sse_of_all(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _sse(url, credential, "GET", "/v1/events?after=", None, ready)


async def graphql_sse_of_one(url: str, credential: str, execution: str, ready: Ready) -> str:
    body = {"query": OF_ONE % execution}
    return await _sse(url, credential, "POST", "/graphql", body, ready)


async def graphql_sse_of_all(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _sse(url, credential, "POST", "/graphql", {"query": EVENTS}, ready)


async def graphql_ws_of_one(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _graphql_ws(url, credential, OF_ONE % execution, ready)


async def graphql_ws_of_all(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _graphql_ws(url, credential, EVENTS, ready)


async def graphql_ws_of_nothing(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _graphql_ws(url, credential, None, ready)


async def ws_of_one(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _ws(url, credential, {"execution": execution}, ready)


async def ws_of_all(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _ws(url, credential, {"events": {}, "after": ""}, ready)


async def ws_of_nothing(url: str, credential: str, execution: str, ready: Ready) -> str:
    return await _ws(url, credential, None, ready)


async def mcp_call(url: str, credential: str, execution: str, ready: Ready) -> str:
    """That waits for an execution."""
    arguments = {"execution_id": execution, "wait": 200}
    params = {"name": "assay_status", "arguments": arguments, "_meta": {"progressToken": 1}}
    return await _mcp(url, credential, "tools/call", params, "assay_status", ready)


async def mcp_listen(url: str, credential: str, execution: str, ready: Ready) -> str:
    uris = [f"assay://executions/{execution}"]
    asked = {"toolsListChanged": True, "resourceSubscriptions": uris}
    params = {"notifications": asked}
    return await _mcp(url, credential, "subscriptions/listen", params, "", ready)


async def mcp_session(url: str, credential: str, execution: str, ready: Ready) -> str:
    """The stream of a session, as it was before 2026."""
    accept = {"Accept": "application/json, text/event-stream"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    async with _client(url, credential, accept) as http:
        begun = await http.post("/mcp", json=body)
        named = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
        async with http.stream("GET", "/mcp", headers=named) as answer:
            assert answer.status_code == 200
            ready.set()
            return "ended " + "".join([part async for part in answer.aiter_text()])


STREAMS: Mapping[str, Stream] = {
    stream.__name__: stream
    for stream in (
        *(sse_of_one, sse_of_all, graphql_sse_of_one, graphql_sse_of_all),
        *(graphql_ws_of_one, graphql_ws_of_all, graphql_ws_of_nothing),
        *(ws_of_one, ws_of_all, ws_of_nothing, mcp_call, mcp_listen, mcp_session),
    )
}
SILENT = frozenset({"mcp_session"})
"""What can only end: nobody has asked for anything that could be refused."""


@pytest.fixture(scope="module")
async def provider(anyio_backend: str) -> AsyncIterator[Provider]:
    async with providing() as provider:
        yield provider


@pytest.fixture(scope="module")
async def served(
    tmp_path_factory: pytest.TempPathFactory, provider: Provider, anyio_backend: str
) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("revocation")
    issuer = Issuer(provider.url, AUDIENCE)
    async with serving(folder, tokens=lambda tenants: OidcTokens(issuer, tenants)) as served:
        for document in (WAITS, SPEAKS, SAYS):
            await served.tenants.app().register(document)
        yield served


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
async def test_with_its_key_a_stream_ends(served: Served, busy: bool) -> None:
    """The key is revoked over REST, as an administrator does it."""
    keys = {name: issue(name, Role.OPERATOR) for name in STREAMS}
    for issued in keys.values():
        await served.tenants.app().manager.store.put_principal(issued.principal)
    async with opened_streams(served, {n: k.secret for n, k in keys.items()}, busy) as streams:
        async with served.client(Role.ADMIN) as admin:
            for issued in keys.values():
                gone = await admin.delete(f"/v1/keys/{issued.principal.id}")
                assert gone.status_code == 204
        await all_end(streams)
    for door in DOORS.values():
        assert await door(served.url, keys["ws_of_one"].secret) == OUT


async def test_when_its_key_expires_a_stream_ends(served: Served) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=8)).isoformat()
    keys = {}
    for name in STREAMS:
        issued = issue(name, Role.OPERATOR)
        kept = replace(issued.principal, expires_at=until)
        await served.tenants.app().manager.store.put_principal(kept)
        keys[name] = issued.secret
    async with opened_streams(served, keys, False) as streams:
        await asyncio.sleep(max(0.0, datetime.fromisoformat(until).timestamp() - time.time()))
        await all_end(streams)


async def test_when_its_token_expires_a_stream_ends(
    served: Served, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.api.tokens.SKEW", 0)
    until = int(time.time()) + 8
    token = provider.token(exp=until)
    async with opened_streams(served, dict.fromkeys(STREAMS, token), False) as streams:
        await asyncio.sleep(max(0.0, until - time.time()))
        await all_end(streams)


@asynccontextmanager
async def opened_streams(
    served: Served, credentials: Mapping[str, str], busy: bool
) -> AsyncIterator[Mapping[str, asyncio.Task[str]]]:
    """Every stream there is, each with its own credential, while something happens or nothing."""
    manager = served.tenants.app().manager
    execution = await manager.start("speaks" if busy else "waits")
    await manager.wait(execution.id, until=[Status.RUNNING if busy else Status.WAITING])
    ready = {name: asyncio.Event() for name in STREAMS}
    streams = {
        name: asyncio.create_task(
            stream(served.url, credentials[name], execution.id, ready[name]), name=name
        )
        for name, stream in STREAMS.items()
    }
    happening = asyncio.create_task(_happen(served)) if busy else None
    try:
        for name, event in ready.items():
            waiting = asyncio.ensure_future(event.wait())
            await asyncio.wait({waiting, streams[name]}, return_when="FIRST_COMPLETED", timeout=60)
            waiting.cancel()
            assert event.is_set(), f"{name} was not let in: {streams[name]}"
        yield streams
    finally:
        for task in [*streams.values(), *([happening] if happening else [])]:
            task.cancel()
        await asyncio.gather(*streams.values(), return_exceptions=True)
        await manager.stop(execution.id)


async def all_end(streams: Mapping[str, asyncio.Task[str]]) -> None:
    """Within the bound, and each says why where it can."""
    await asyncio.wait(streams.values(), timeout=BOUND)
    assert [name for name, task in streams.items() if not task.done()] == []
    for name, task in streams.items():
        assert name in SILENT or "not_authenticated" in task.result()[-2000:], name


async def _happen(served: Served) -> None:
    while True:
        await served.tenants.app().run("says")


async def _sse(url: str, credential: str, method: str, path: str, body: Any, ready: Ready) -> str:
    async with (
        _client(url, credential, {"Accept": "text/event-stream"}) as http,
        http.stream(method, path, json=body) as answer,
    ):
        assert answer.status_code == 200
        ready.set()
        return "".join([part async for part in answer.aiter_text()])


async def _graphql_ws(url: str, credential: str, query: str | None, ready: Ready) -> str:
    async with opened(f"{url}/graphql", {}, GRAPHQL_WS) as socket:
        payload = {"apiKey": credential}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        if query is not None:
            asked = {"type": "subscribe", "id": "1", "payload": {"query": query}}
            await socket.send(json.dumps(asked))
            await socket.recv()
        ready.set()
        return await _closed(socket)


async def _ws(url: str, credential: str, asked: Mapping[str, Any] | None, ready: Ready) -> str:
    async with opened(f"{url}/v1/ws", {}) as socket:
        await socket.send(json.dumps({"type": "hello", "key": credential}))
        assert json.loads(await socket.recv())["type"] == "welcome"
        if asked is not None:
            await socket.send(json.dumps({"type": "subscribe", "id": "1", **asked}))
            await socket.recv()
        ready.set()
        return await _closed(socket)


async def _closed(socket: Any) -> str:
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        return "not_authenticated" if code == 4403 else f"closed with {code}"


async def _mcp(
    url: str, credential: str, method: str, params: dict[str, Any], name: str, ready: Ready
) -> str:
    meta = {"protocolVersion": VERSION, "clientInfo": CLIENT, "clientCapabilities": {}}
    named = {f"io.modelcontextprotocol/{name}": each for name, each in meta.items()}
    params = {**params, "_meta": {**params.get("_meta", {}), **named}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        **({"Mcp-Name": name} if name else {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with _client(url, credential, headers) as http:
        asyncio.get_running_loop().call_later(1.0, ready.set)  # an answer may come late
        async with http.stream("POST", "/mcp", json=body) as answer:
            assert answer.status_code == 200
            return "".join([part async for part in answer.aiter_text()])


def _client(url: str, credential: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    bearer = {"Authorization": f"Bearer {credential}"}
    return httpx.AsyncClient(base_url=url, timeout=60, headers={**headers, **bearer})
