"""Every way into a server with a credential, and whether it lets one in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from assay.api.access import Role

from .asks import Caller, Reach
from .mcp import Mcp, Method

IN, OUT = "let in", "not let in"
Door = Callable[[str, str], Awaitable[str]]
"""With the URL of a server and a credential: `IN`, `OUT`, or whatever else was answered."""

QUERY = {"query": "{ workflows { nodes { id } } }"}
GRAPHQL_WS = "graphql-transport-ws"


async def rest(url: str, credential: str) -> str:
    return await _http(url, "GET", "/v1/workflows", _bearer(credential))


async def rest_by_key(url: str, credential: str) -> str:
    return await _http(url, "GET", "/v1/workflows", {b"X-API-Key": _raw(credential)})


async def metrics(url: str, credential: str) -> str:
    return await _http(url, "GET", "/metrics", _bearer(credential))


async def graphql(url: str, credential: str) -> str:
    return await _http(url, "POST", "/graphql", _bearer(credential), QUERY)


async def graphql_sse(url: str, credential: str) -> str:
    stream = {b"Accept": b"text/event-stream", **_bearer(credential)}
    return await _http(url, "POST", "/graphql", stream, QUERY)


async def sse(url: str, credential: str) -> str:
    stream = {b"Accept": b"text/event-stream", **_bearer(credential)}
    return await _http(url, "GET", "/v1/events", stream)


async def mcp(url: str, credential: str) -> str:
    surface = Mcp(url)
    caller = Caller("", "", Role.VIEWER, Reach.WHOLE, credential)
    try:
        told = await surface.ask(caller, Method("resources/list", {}))
    finally:
        await surface.aclose()
    return {"done": IN, "unknown": OUT}.get(told.kind, told.kind)


async def graphql_ws(url: str, credential: str) -> str:
    """Named in the first message, as browsers have to."""
    async with opened(f"{url}/graphql", {}, GRAPHQL_WS) as socket:
        said = {"type": "connection_init", "payload": {"apiKey": credential}}
        await socket.send(json.dumps(said))
        return await heard(socket, "connection_ack", 4403)


async def graphql_ws_by_header(url: str, credential: str) -> str:
    """Named in the handshake, as programs can."""
    headers = {"Authorization": f"Bearer {credential}"}
    try:
        async with opened(f"{url}/graphql", headers, GRAPHQL_WS) as socket:
            await socket.send('{"type": "connection_init"}')
            return await heard(socket, "connection_ack", 4403)
    except InvalidStatus as refused:
        return _of_long(refused, credential)


async def ws(url: str, credential: str) -> str:
    async with opened(f"{url}/v1/ws", {}) as socket:
        await socket.send(json.dumps({"type": "hello", "key": credential}))
        return await heard(socket, "welcome", 4401)


async def ws_by_header(url: str, credential: str) -> str:
    try:
        async with opened(f"{url}/v1/ws", {"X-API-Key": credential}) as socket:
            await socket.send('{"type": "hello"}')
            return await heard(socket, "welcome", 4401)
    except InvalidStatus as refused:
        return _of_long(refused, credential)


DOORS: Mapping[str, Door] = {
    door.__name__: door
    for door in (
        *(rest, rest_by_key, metrics, graphql, graphql_sse, sse, mcp),
        *(graphql_ws, graphql_ws_by_header, ws, ws_by_header),
    )
}


def opened(
    url: str, headers: Mapping[str, str] | Sequence[tuple[str, str]], protocol: str = ""
) -> connect:
    """A socket at a path of a server."""
    return connect(
        url.replace("http", "ws", 1),
        additional_headers=headers,
        subprotocols=[protocol] if protocol else None,  # type: ignore[list-item]
        open_timeout=30,
        max_size=None,
    )


async def heard(socket: ClientConnection, welcome: str, refusal: int) -> str:
    """What the first thing that a socket says means."""
    try:
        said = json.loads(await socket.recv())
        if said["type"] == "closing":
            said = json.loads(await socket.recv())
        return IN if said["type"] == welcome else str(said)
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        return OUT if code == refusal else f"closed with {code}"


def _of_long(refused: InvalidStatus, credential: str) -> str:
    """No handshake may have a line of more than 8 KiB."""
    status = refused.response.status_code
    return OUT if status == 431 and len(credential) > 8000 else f"{status}"


async def _http(
    url: str, method: str, path: str, headers: Mapping[bytes, bytes], body: Any = None
) -> str:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        request = http.build_request(method, path, headers=[*headers.items()], json=body)
        answer = await http.send(request, stream=True)
        try:
            if answer.status_code == 200:
                return IN
            await answer.aread()
            refused = answer.json()
            code = (
                refused["errors"][0]["extensions"]["code"]
                if "errors" in refused
                else refused["code"]
            )
            told = (answer.status_code, code, answer.headers.get("www-authenticate"))
            return OUT if told == (401, "not_authenticated", "Bearer") else f"{told}"
        finally:
            await answer.aclose()


def _bearer(credential: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + _raw(credential)}


def _raw(credential: str) -> bytes:
    return credential.encode()
