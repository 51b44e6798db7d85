"""Whoever reads slowly, or not at all, costs what is held for one of them, not the backlog."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from assay.api import feed
from assay.api.identity import Identity
from assay.api.settings import read_settings
from assay.api.surfaces import application
from assay.api.tenants import Tenants
from assay.graphs.event import Event
from assay.store.bus import CAPACITY

pytestmark = pytest.mark.anyio

STEPS = 1000
LISTENERS = 6
"""Of each kind."""

ECHO = {"type": "skill", "skill": "echo", "inputs": {"message": "x"}}
LONG = {"name": "long", "steps": [{"id": f"s{n}", **ECHO} for n in range(STEPS)]}
EVENTS = 2 * STEPS + 3

_ONE = "subscription($id: ID!) { executionEvents(id: $id) { seq } }"
_ALL = 'subscription { events(after: "") { seq } }'


@dataclass
class Reader:
    """Somebody at the other end of the application, who takes so many messages and then none
    until `go`; `given` is what they send."""

    scope: Mapping[str, Any]
    given: list[Mapping[str, Any]]
    takes: int = 5
    go: asyncio.Event = field(default_factory=asyncio.Event)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    seqs: list[int] = field(default_factory=list)

    async def receive(self) -> Mapping[str, Any]:
        if self.given:
            return self.given.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Mapping[str, Any]) -> None:
        self.takes -= 1
        if self.takes < 0 and not self.go.is_set():
            self.stalled.set()
            await self.go.wait()
        text = message.get("text") or message.get("body", b"").decode()
        self.seqs += [int(seq) for seq in re.findall(r'"seq": ?(\d+)', text)]
        if self.seqs and self.seqs[-1] == EVENTS:
            self.told.set()


Make = Callable[[str | None], Reader]


def _http(method: str, path: str, body: Any = None, query: str = "") -> Reader:
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
    if body is not None:
        length = str(len(content)).encode()
        headers += [(b"content-type", b"application/json"), (b"content-length", length)]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    return Reader(_scope(scope), [{"type": "http.request", "body": content}])


def _socket(path: str, *messages: Any, protocols: tuple[str, ...] = ()) -> Reader:
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "subprotocols": list(protocols),
    }
    texts = [{"type": "websocket.receive", "text": json.dumps(each)} for each in messages]
    return Reader(_scope(scope), [{"type": "websocket.connect"}, *texts])


def _scope(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    where = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "root_path": ""}
    return {"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", **where, **scope}


def sse(id: str | None) -> Reader:
    if id is None:
        return _http("GET", "/v1/events", query="after=")
    return _http("GET", f"/v1/executions/{id}/events")


def _asked(id: str | None) -> Mapping[str, Any]:
    return {"query": _ALL} if id is None else {"query": _ONE, "variables": {"id": id}}


def graphql_sse(id: str | None) -> Reader:
    return _http("POST", "/graphql", _asked(id))


def graphql_socket(id: str | None) -> Reader:
    asked = {"type": "subscribe", "id": "1", "payload": _asked(id)}
    protocols = ("graphql-transport-ws",)
    return _socket("/graphql", {"type": "connection_init"}, asked, protocols=protocols)


def socket(id: str | None) -> Reader:
    wanted = {"events": {}, "after": ""} if id is None else {"execution": id, "after": 0}
    return _socket("/v1/ws", {"type": "hello"}, {"type": "subscribe", "id": "1", **wanted})


@asynccontextmanager
async def _reading(app: Any, readers: list[Reader]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(app(dict(r.scope), r.receive, r.send)) for r in readers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", [sse, graphql_sse, graphql_socket, socket])
@pytest.mark.parametrize("of", ["one", "all"])
async def test_who_reads_nothing_holds_little_and_has_lost_nothing_when_they_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, of: str
) -> None:
    monkeypatch.setattr(feed, "HELD", 200)
    before = _alive()  # what earlier tests of this process have left is not ours
    settings = replace(read_settings({}), home=tmp_path, store=f"sqlite:///{tmp_path}/assay.db")
    async with Tenants(settings, tmp_path) as tenants, asyncio.timeout(280):
        app, manager = application(tenants, Identity(tenants)), tenants.app().manager
        execution = await manager.start(LONG)
        readers = [make(execution.id if of == "one" else None) for _ in range(LISTENERS)]
        async with _reading(app, readers):
            for each in readers:
                await each.stalled.wait()
            await manager.wait(execution.id)
            # What the bus holds for one, and an entry has two events.
            bound = CAPACITY if of == "one" else 200 + LISTENERS * 2 * feed.PAGE
            assert _alive() - before < bound + 200 < EVENTS
            for each in readers:
                each.go.set()
            for each in readers:
                await each.told.wait()
                assert [seq for seq in each.seqs if seq] == list(range(1, EVENTS + 1))


def _alive() -> int:
    gc.collect()
    return sum(type(each) is Event for each in gc.get_objects())
