"""Stands before one of Google's emulators and may refuse: as IAM does, which emulators lack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]


class Refusal(NamedTuple):
    """What a call is answered with instead."""

    code: grpc.StatusCode
    details: str


EXPIRED = Refusal(
    grpc.StatusCode.UNAUTHENTICATED,
    "Request had invalid authentication credentials. Expected OAuth 2 access token.",
)
DENIED = Refusal(grpc.StatusCode.PERMISSION_DENIED, "Missing or insufficient permissions.")
NO_DATABASE = Refusal(
    grpc.StatusCode.NOT_FOUND, "The database (default) does not exist for project p."
)
NO_INDEX = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION,
    "The query requires a COLLECTION_GROUP_ASC index for collection entries and field at.",
)


class Gatekeeper(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Hands every call on, unless `refusal` is set; `refused` is set with the first that is not."""

    def __init__(self, server: str) -> None:
        self.address = ""
        self.refusal: Refusal | None = None
        self.refused = asyncio.Event()
        self._server = server
        self._open: set[asyncio.Task[Any]] = set()

    def refuse(self, refusal: Refusal) -> None:
        """From now on, and what is under way as well."""
        self.refusal = refusal
        for task in self._open:
            task.cancel()

    def admit(self) -> None:
        self.refusal = None
        self.refused.clear()

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def hand_on(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            if self.refusal is not None:
                self.refused.set()
                await context.abort(*self.refusal)
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                # A connection a call: none of them is left over when the emulator goes.
                async with grpc.aio.insecure_channel(self._server) as channel:
                    onward = channel.stream_stream(call.method)(
                        requests, metadata=context.invocation_metadata()
                    )
                    async for answer in onward:
                        yield answer
            except asyncio.CancelledError:
                if self.refusal is None:
                    raise
                self.refused.set()
                await context.abort(*self.refusal)
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details(), tuple(error.trailing_metadata()))
            finally:
                self._open.discard(task)

        return grpc.stream_stream_rpc_method_handler(hand_on)


@asynccontextmanager
async def gatekeeper(server: str) -> AsyncIterator[Gatekeeper]:
    """One before that server; give its `address` to the client."""
    keeper = Gatekeeper(server)
    listening = grpc.aio.server()
    listening.add_generic_rpc_handlers([keeper])
    keeper.address = f"127.0.0.1:{listening.add_insecure_port('127.0.0.1:0')}"
    await listening.start()
    try:
        yield keeper
    finally:
        await listening.stop(None)
