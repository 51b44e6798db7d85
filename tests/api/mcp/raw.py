"""Requests of both generations of the protocol as bytes, which no client would send so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

VERSION = "2026-07-28"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ENVELOPE: Mapping[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}


class Raw:
    """Somebody who speaks one generation; `session` is what it has of the older one."""

    def __init__(self, client: httpx.AsyncClient, session: str | None) -> None:
        self.client = client
        self.session = session

    async def ask(
        self, method: Any, params: dict[str, Any] | None = None, id: Any = 7
    ) -> httpx.Response:
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            message["params"] = params
        if self.session is None:
            given = params or {}
            message["params"] = {**given, "_meta": {**ENVELOPE, **given.get("_meta", {})}}
        return await self.send(message)

    async def send(self, message: Any) -> httpx.Response:
        return await self.bytes(json.dumps(message).encode(), message)

    async def bytes(self, body: bytes, message: Any = None) -> httpx.Response:
        headers = dict(ACCEPT)
        if self.session is not None:
            headers["Mcp-Session-Id"] = self.session
        else:
            headers["MCP-Protocol-Version"] = VERSION
            if isinstance(message, dict):
                headers["Mcp-Method"] = str(message.get("method"))
                params = message.get("params")
                named = params if isinstance(params, dict) else {}
                name = named.get("name", named.get("uri"))
                if isinstance(name, str) and name.isascii() and name.isprintable():
                    headers["Mcp-Name"] = name
        return await self.client.post("/mcp", content=body, headers=headers)


@asynccontextmanager
async def speaking(client: httpx.AsyncClient, generation: str) -> AsyncIterator[Raw]:
    if generation == "young":
        yield Raw(client, None)
        return
    begun = await client.post("/mcp", json=HELLO, headers=ACCEPT)
    raw = Raw(client, begun.headers["mcp-session-id"])
    await raw.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    yield raw


def answered(response: httpx.Response) -> Any:
    """The JSON-RPC message that answers, of a plain answer or the last of a stream."""
    if response.headers["content-type"].startswith("text/event-stream"):
        data = [line for line in response.text.splitlines() if line.startswith("data: ")]
        return json.loads(data[-1].removeprefix("data: "))
    return response.json()
