"""Somebody at the other end of a WebSocket who speaks graphql-transport-ws."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.api.http.conftest import Served
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = "graphql-transport-ws"
PATIENCE = 60.0


class Socket:
    """Sends messages and reads them; pings of the server are left out, and counted."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire
        self.pings: list[dict[str, Any]] = []

    async def send(self, type: str, **more: Any) -> None:
        await self.wire.send(json.dumps({"type": type, **more}))

    async def receive(self) -> dict[str, Any]:
        while True:
            async with asyncio.timeout(PATIENCE):
                message: dict[str, Any] = json.loads(await self.wire.recv())
            if message["type"] != "ping":
                return message
            self.pings.append(message)

    async def init(self, **payload: Any) -> None:
        await self.send("connection_init", payload=payload)
        assert (await self.receive())["type"] == "connection_ack"

    async def subscribe(self, id: str, query: str, /, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.send("subscribe", id=id, payload=payload)

    async def results(self, id: str, query: str, /, **variables: Any) -> AsyncIterator[Any]:
        """The data of each result of the one operation that goes on, to its end."""
        await self.subscribe(id, query, **variables)
        while (message := await self.receive())["type"] != "complete":
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            yield message["payload"]["data"]

    async def closed(self, told: list[Any] | None = None) -> tuple[int, str]:
        """With which code and reason the server closes; `told` is given what it says before."""
        said = [] if told is None else told
        with suppress(ConnectionClosed):
            while True:
                async with asyncio.timeout(PATIENCE):
                    said.append(await self.wire.recv())
        frame = self.wire.protocol.close_rcvd
        assert frame is not None, "cut off without a close frame"
        return frame.code, frame.reason


@asynccontextmanager
async def socket(
    served: Served, role: str | None = "viewer", protocol: str | None = PROTOCOL, **given: Any
) -> AsyncIterator[Socket]:
    """An open socket of somebody of that role, who has said so in the first message already;
    None: of somebody who has said nothing yet."""
    url = served.url.replace("http", "ws", 1) + "/graphql"
    subprotocols = None if protocol is None else [Subprotocol(protocol)]
    async with connect(url, subprotocols=subprotocols, **{"max_size": None, **given}) as wire:
        one = Socket(wire)
        if role is not None:
            await one.init(apiKey=served.keys[role])
        yield one
