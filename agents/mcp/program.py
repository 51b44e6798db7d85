"""A server that is a program of ours: JSON-RPC by lines, over its standard input and output."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

from ...graphs.errors import AssayError, LimitReached
from ...graphs.pipes import Feed
from ...graphs.processes import Stream, run_process
from ..tools import Reach

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

LEAVE = 2.0
"""Seconds that a program has to end by itself when it has read the end."""

LINE_LIMIT = 8 * 1024 * 1024
"""Bytes of one message."""

_SAID = 2000

Streams = tuple[Any, Any]


class Program:
    """`why` says what it ended by, once it has."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], reach: Reach) -> None:
        self.why: str | None = None
        self._argv = argv
        self._env = env
        self._reach = reach
        self._line = bytearray()
        self._errors = bytearray()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Streams]:
        """What the client reads and writes. At the end nothing of the program is left.

        Raises `NotAllowed` where the profile's programs cannot be held as it asks."""
        profile, workspace = self._reach.profile, self._reach.workspace
        hold = await asyncio.to_thread(profile.hold, workspace, self._env)
        said, heard = anyio.create_memory_object_stream[SessionMessage | Exception](math.inf)
        asked, taken = anyio.create_memory_object_stream[SessionMessage](0)
        feed = Feed()

        def listen(stream: Stream, chunk: bytes) -> None:
            if stream == "stderr":
                self._errors = (self._errors + chunk)[-_SAID:]
                return
            for message in self._messages(chunk):
                said.send_nowait(message)

        async def run() -> None:
            try:
                ended = await run_process(
                    self._argv,
                    cwd=workspace,
                    env=self._env,
                    stdin=feed,
                    on_output=listen,
                    limits=self._reach.limits,
                    hold=hold,
                )
                self.why = f"it ended with exit status {ended.exit_status}"
            except AssayError as error:
                self.why = error.message
            finally:
                said.close()

        running = asyncio.ensure_future(run())
        writing = asyncio.ensure_future(_written(taken, feed))
        try:
            yield heard, asked
        finally:
            with anyio.CancelScope(shield=True):
                writing.cancel()
                feed.end()
                await asyncio.wait([running], timeout=LEAVE)
                running.cancel()
                await asyncio.wait([running, writing])
            for stream in (heard, asked, taken):
                stream.close()

    def failure(self) -> str:
        """What is known of its end, with the last that it wrote to standard error."""
        last = self._errors.decode(errors="replace").strip()
        return f"{self.why or 'it says nothing'}{f': {last}' if last else ''}"

    def _messages(self, chunk: bytes) -> list[SessionMessage]:
        """Those that are whole. What is no message is passed over: some print what they do."""
        self._line += chunk
        *lines, rest = self._line.split(b"\n") if b"\n" in chunk else (self._line,)
        self._line = rest
        if len(rest) > LINE_LIMIT:
            raise LimitReached(f"it sent a message of more than {LINE_LIMIT} bytes")
        messages = []
        for line in lines:
            try:
                message = types.jsonrpc_message_adapter.validate_json(bytes(line), by_name=False)
            except ValueError:
                continue
            messages.append(SessionMessage(message))
        return messages


async def _written(taken: MemoryObjectReceiveStream[SessionMessage], feed: Feed) -> None:
    async for message in taken:
        data = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        feed.write(data.encode() + b"\n")
