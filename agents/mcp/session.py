"""A connection with one server, held for as long as an agent works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from ...graphs.errors import AssayError, ToolServerFailed
from ...graphs.thinking import ToolServer
from ..tools import Reach, bounded, clean, permit
from .program import Program, Streams

_PAGES = 20
"""Pages of a list of tools that are read."""

ANSWER_LIMIT = 32 * 1024 * 1024
"""Bytes of one answer over HTTP, which may hold a stream of messages."""

_LEAVING = 10.0
"""Seconds in which a connection has to close before it is cut."""


class Session:
    """Lives in a task of its own: whatever happens to it there ends nothing else."""

    def __init__(self, server: ToolServer, reach: Reach) -> None:
        self.server = server
        self._reach = reach
        self._program: Program | None = None
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[list[types.Tool]]:
        """The tools that it has. Raises `ToolServerFailed`, and what opening a program does."""
        living = asyncio.create_task(self._live())
        try:
            try:
                async with asyncio.timeout(self.server.timeout):
                    client = await asyncio.shield(self._client)
                    tools = await self._tools(client)
            except AssayError:
                raise
            except Exception as error:
                raise ToolServerFailed(self._why(error)) from error
            yield tools
        finally:
            with anyio.CancelScope(shield=True):
                self._leave.set()
                await asyncio.wait([living], timeout=_LEAVING)
                living.cancel()
                await asyncio.wait([living])
            if self._client.done() and not self._client.cancelled():
                self._client.exception()  # Seen: who was cancelled meanwhile did not ask.

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """What the model is told. Raises `ToolServerFailed`."""
        seconds = self.server.timeout
        try:
            async with asyncio.timeout(seconds + 1):
                result = await self._client.result().call_tool(
                    tool, dict(arguments), read_timeout_seconds=seconds
                )
        except Exception as error:
            raise ToolServerFailed(self._why(error)) from error
        told = _readable(_text(result))
        if result.is_error:
            raise ToolServerFailed(told or f"{tool} failed, and does not say why")
        return told

    async def _live(self) -> None:
        try:
            transport = self._connected()
            async with Client(transport, read_timeout_seconds=self.server.timeout / 3) as client:
                self._client.set_result(client)
                await self._leave.wait()
        except Exception as error:
            if not self._client.done():
                self._client.set_exception(error)
        finally:
            self._client.cancel()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Streams]:
        async with await self._transport() as streams:
            yield streams

    async def _transport(self) -> AbstractAsyncContextManager[Streams]:
        server, reach = self.server, self._reach
        if server.command is not None:
            env = {**reach.profile.environment(reach.environ), **server.env}
            self._program = Program(server.command, env, reach)
            return self._program.open()
        assert server.url is not None
        await permit(server.url, reach)
        return _over_http(server.url, server.headers, server.timeout)

    async def _tools(self, client: Client) -> list[types.Tool]:
        tools: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return tools

    def _why(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        name, seconds = self.server.name, self.server.timeout
        if self._program is not None and self._program.why is not None:
            said = self._program.failure()
        elif isinstance(error, TimeoutError) or (
            isinstance(error, MCPError) and error.code == types.REQUEST_TIMEOUT
        ):
            said = f"no answer within {seconds:g} s, its `timeout`"
        else:
            said = f"{type(error).__name__}: {error}"
            if isinstance(error, AssayError | MCPError):
                said = error.message
        return _readable(f"the MCP server {name!r} failed: {said}")


@asynccontextmanager
async def _over_http(
    url: str, headers: Mapping[str, str], seconds: float
) -> AsyncIterator[Streams]:
    # The answer as it is: nothing small that unpacks into something large.
    plain = {"accept-encoding": "identity", **headers}
    timeout = httpx2.Timeout(seconds)
    async with (
        httpx2.AsyncClient(
            headers=plain, timeout=timeout, event_hooks={"response": [_bound]}
        ) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


async def _bound(answer: httpx2.Response) -> None:
    """Have an answer end where it is too long: who sends it decides how long it is."""
    assert isinstance(answer.stream, httpx2.AsyncByteStream)
    answer.stream = _Bounded(answer.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        room = ANSWER_LIMIT
        async for chunk in self._stream:
            room -= len(chunk)
            if room < 0:
                raise httpx2.ReadError(f"the answer has more than {ANSWER_LIMIT} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _readable(text: str) -> str:
    return bounded(clean(text))


def _text(result: types.CallToolResult) -> str:
    """What a model can read of a result."""
    parts = []
    for block in result.content:
        match block:
            case types.TextContent():
                parts.append(block.text)
            case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
                parts.append(f"[{resource.uri}]\n{resource.text}")
            case types.ResourceLink():
                parts.append(f"[{block.name}: {block.uri}]")
            case _:
                parts.append(f"[{block.type}: left out]")
    if not parts and result.structured_content is not None:
        parts.append(str(result.structured_content))
    return "\n".join(parts)
