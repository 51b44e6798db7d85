"""A client of `/v1/ws` that knows nothing but JSON, and who may be there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.api.http.conftest import Served, open_server, served
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

__all__ = ["open_server", "served"]

LOUD = {"name": "loud", "steps": [{"id": "say", "type": "shell", "command": "echo one"}]}
ASKS = {"name": "asks", "steps": [{"id": "ask", "type": "approval", "message": "Go on?"}]}


class Client:
    """Sends frames and reads them, each within a time that only a fault reaches."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, type: str, **members: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **members}))

    async def read(self, *types: str) -> dict[str, Any]:
        """The next frame, or the next of some types."""
        async with asyncio.timeout(60):
            while True:
                frame: dict[str, Any] = json.loads(await self.socket.recv())
                if not types or frame["type"] in types:
                    return frame

    async def until(self, *types: str, id: str | None = None) -> list[dict[str, Any]]:
        """Every frame up to one of some types."""
        frames = []
        while True:
            frames.append(await self.read())
            if frames[-1]["type"] in types and id in (None, frames[-1].get("id")):
                return frames

    async def ask(self, command: str, /, under: str = "c", **arguments: Any) -> dict[str, Any]:
        """The answer to a command."""
        await self.send("command", id=under, command=command, arguments=arguments)
        while True:
            frame = await self.read("result", "error")
            if frame.get("id") == under:
                return frame

    async def closed(self) -> tuple[int, dict[str, Any] | None]:
        """The code of the close, and the frame `closing` when it came last before."""
        last: dict[str, Any] = {}
        async with asyncio.timeout(60):
            try:
                while True:
                    last = json.loads(await self.socket.recv())
            except ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd is not None else 1006
                return code, last if last.get("type") == "closing" else None


@asynccontextmanager
async def raw(
    served: Served, headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A connection that has not said who it is."""
    url = served.url.replace("http", "ws") + "/v1/ws"
    async with connect(
        url, additional_headers=dict(headers or {}), proxy=None, max_size=None, **options
    ) as socket:
        yield Client(socket)


@asynccontextmanager
async def talking(served: Served, role: str = "admin", **options: Any) -> AsyncIterator[Client]:
    """A connection of somebody of that role, who has been let in."""
    async with raw(served, **options) as client:
        await client.send("hello", key=served.keys[role])
        assert (await client.read())["type"] == "welcome"
        yield client


async def run(served: Served, definition: Mapping[str, Any]) -> str:
    """An execution that has begun, without this protocol."""
    return (await served.tenants.app().start(definition)).id
