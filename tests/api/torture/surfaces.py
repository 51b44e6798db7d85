"""The ways to listen to a server: one connection each, from a cursor to its end or its cut.

A surface yields what it hears; it returns when the server says that nothing more is coming, and
raises one of `CUT` when the connection ends in any other way.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage


class CutOff(Exception):
    """The stream ended, and not because there is nothing more to come."""


CUT = (
    CutOff,
    OSError,
    EOFError,
    httpx.TransportError,
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
)


class Heard(NamedTuple):
    """A durable event as REST writes it, and where to go on behind it. Without an event: only
    where to go on; None: where one was."""

    event: Mapping[str, Any] | None
    cursor: str | None


@dataclass(frozen=True)
class Line:
    """How to reach a server."""

    url: str
    key: str
    http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(
            timeout=httpx.Timeout(60, read=None), limits=httpx.Limits(max_keepalive_connections=0)
        )
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


Surface = Callable[[Line, str | None, str | None], AsyncGenerator[Heard]]
"""Of an execution, or of all (None), behind a cursor: `seq` of one; None of all: from now on."""


async def sse(line: Line, execution: str | None, cursor: str | None) -> AsyncGenerator[Heard]:
    path = "/v1/events" if execution is None else f"/v1/executions/{execution}/events"
    query = "?after=" if execution is None and cursor == "" else ""
    headers = {**line.headers, "Accept": "text/event-stream"}
    if cursor:
        headers["Last-Event-ID"] = cursor
    async with line.http.stream("GET", line.url + path + query, headers=headers) as answer:
        if answer.status_code == 204:
            return
        await _good(answer)
        async for name, data, id in _frames(answer):
            if name == "closed":
                yield _place(json.loads(data)["cursor"])
                raise CutOff(data)
            if id is not None:
                yield Heard(json.loads(data) if data else None, id)
    if execution is None:
        raise CutOff("a stream of all has no end")


async def graphql_sse(
    line: Line, execution: str | None, cursor: str | None
) -> AsyncGenerator[Heard]:
    headers = {**line.headers, "Accept": "text/event-stream"}
    body = _asked(execution, cursor)
    async with line.http.stream(
        "POST", f"{line.url}/graphql", json=body, headers=headers
    ) as answer:
        await _good(answer)
        async for name, data, comment in _frames(answer, ""):
            if name == "complete":
                return
            if name is None:
                yield _place(json.loads(comment or "{}")["after"])
                continue
            for heard in _answered(json.loads(data)):
                yield heard
    raise CutOff("no `complete` came")


async def graphql_socket(
    line: Line, execution: str | None, cursor: str | None
) -> AsyncGenerator[Heard]:
    async with _socket(f"{line.url}/graphql", "graphql-transport-ws") as socket:
        await _say(socket, type="connection_init", payload={"apiKey": line.key})
        await _let_in(socket, "connection_ack")
        await _say(socket, type="subscribe", id="1", payload=_asked(execution, cursor))
        while True:
            message = await _message(socket)
            match message["type"]:
                case "next":
                    for heard in _answered(message["payload"]):
                        yield heard
                case "complete":
                    return
                case "ping":
                    await _say(socket, type="pong")
                    yield _place(message.get("payload", {}).get("after", {}).get("1"))
                case other:
                    raise AssertionError(f"{other}: {message}")


async def socket(line: Line, execution: str | None, cursor: str | None) -> AsyncGenerator[Heard]:
    """`/v1/ws`."""
    async with _socket(f"{line.url}/v1/ws") as socket:
        await _say(socket, type="hello", key=line.key)
        await _let_in(socket, "welcome")
        if execution is None:
            what: dict[str, Any] = {"events": {"workflow": "*", "types": []}, "after": cursor}
        else:
            what = {"execution": execution, "after": int(cursor or 0)}
        await _say(socket, type="subscribe", id="1", **what)
        while True:
            message = await _message(socket)
            match message["type"]:
                case "event" if message["cursor"] is not None:
                    yield Heard(message["event"], message["cursor"])
                case "subscribed":
                    yield _place(message["cursor"])
                case "ended":
                    return
                case "ping" | "closing" as type:
                    if type == "ping":
                        await _say(socket, type="pong")
                    yield _place(message.get("cursors", {}).get("1"))
                case "event" | "pong":
                    pass
                case other:
                    raise AssertionError(f"{other}: {message}")


SURFACES: Mapping[str, Surface] = {
    "SSE": sse,
    "GraphQL over SSE": graphql_sse,
    "GraphQL over a WebSocket": graphql_socket,
    "/v1/ws": socket,
}

_EVENT = "{ executionId seq type path at data live cursor }"
_ONE = (
    "subscription($id: ID!, $after: Int!)"
    f" {{ told: executionEvents(id: $id, after: $after) {_EVENT} }}"
)
_ALL = f"subscription($after: String) {{ told: events(after: $after) {_EVENT} }}"


def _asked(execution: str | None, cursor: str | None) -> dict[str, Any]:
    if execution is None:
        return {"query": _ALL, "variables": {"after": cursor}}
    return {"query": _ONE, "variables": {"id": execution, "after": int(cursor or 0)}}


def _answered(payload: Mapping[str, Any]) -> list[Heard]:
    assert not payload.get("errors"), payload
    told = payload["data"]["told"]
    if told["live"]:
        assert told["seq"] == 0
        return []
    plain = {name: told[name] for name in ("seq", "type", "path", "at", "data")}
    event = {"execution_id": told["executionId"], **plain}
    return [Heard(event, told["cursor"] or str(told["seq"]))]


def _place(cursor: str | None) -> Heard:
    return Heard(None, cursor)


async def _good(answer: httpx.Response) -> None:
    if answer.status_code == 503:
        raise CutOff(await answer.aread())
    assert answer.status_code == 200, (answer.status_code, await answer.aread())


async def _frames(
    answer: httpx.Response, place: str = "id"
) -> AsyncIterator[tuple[str | None, str, str | None]]:
    """The name and data of each event, and the place: in its `id`, or in a comment (``)."""
    fields: dict[str, str] = {}
    rest = b""
    async for chunk in answer.aiter_bytes():
        # Not `aiter_lines`: a line of a stream of events ends at no other sign than these.
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.decode().partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if fields.keys() & {"event", place}:
                yield fields.get("event"), fields.get("data", ""), fields.get(place)
            fields = {}


@asynccontextmanager
async def _socket(url: str, *protocols: Any) -> AsyncIterator[ClientConnection]:
    connecting = connect(
        url.replace("http", "ws", 1),
        subprotocols=protocols or None,
        proxy=None,
        open_timeout=60,
        ping_interval=None,
        close_timeout=0.5,
        max_size=None,
    )
    async with connecting as socket:
        yield socket


async def _say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def _message(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def _let_in(socket: ClientConnection, with_type: str) -> None:
    message = await _message(socket)
    if message["type"] == "closing":
        raise CutOff(message)
    assert message["type"] == with_type, message
