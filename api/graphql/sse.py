"""Results as server-sent events, as graphql-sse has them over distinct connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from strawberry.types.execution import PreExecutionError

from ...graphs.errors import NotAuthenticated
from ..listening import HEARTBEAT, STALLED, revoked
from .asking import Asking
from .telling import encoded

if TYPE_CHECKING:
    from starlette.types import Message, Send

SSE = "text/event-stream"
SENT = {
    "Content-Type": f"{SSE}; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStream(StreamingResponse):
    """Cut off when nobody reads it: nothing more can be told then."""

    async def stream_response(self, send: Send) -> None:
        async def patiently(message: Message) -> None:
            async with asyncio.timeout(STALLED):
                await send(message)

        with suppress(TimeoutError):
            await super().stream_response(patiently)


async def events(results: AsyncGenerator[Any, None], asking: Asking) -> AsyncIterator[bytes]:
    """Each result is read when the one before it has been sent: who reads slowly is waited for.

    A key that is revoked ends the stream, with an error that says so. So does the end of the
    server, without `complete`: what is followed has not ended, and is worth coming back for.
    """
    with asking.desk.farewell.listener():
        async for event in _events(results, asking):
            yield event


async def _events(results: AsyncGenerator[Any, None], asking: Asking) -> AsyncGenerator[bytes]:
    gone = asyncio.ensure_future(revoked(asking.identify))
    ending = asyncio.ensure_future(asking.desk.farewell.begun())
    upcoming = asyncio.ensure_future(_next(results))
    try:
        while True:
            ready, _ = await asyncio.wait(
                (upcoming, gone, ending), timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED
            )
            if ending in ready:
                yield _still(asking)
                return
            if gone in ready:
                yield _event("next", _refusal(gone.result()))
                break
            if not ready:
                yield _still(asking)
                continue
            if (result := upcoming.result()) is None:
                break
            yield _event("next", _formatted(result))
            upcoming = asyncio.ensure_future(_next(results))
        yield b"event: complete\ndata:\n\n"
    finally:
        for each in (upcoming, gone, ending):
            each.cancel()
        await asyncio.gather(upcoming, gone, ending, return_exceptions=True)
        await results.aclose()


def _still(asking: Asking) -> bytes:
    """A comment, which says how far a subscription has come."""
    return b": %s\n\n" % encoded({"after": asking.place})


async def _next(results: AsyncGenerator[Any, None]) -> Any:
    return await anext(results, None)


def _formatted(result: Any) -> dict[str, Any]:
    errors = [error.formatted for error in result.errors or ()]
    if isinstance(result, PreExecutionError):
        return {"errors": errors}
    return {"data": result.data, **({"errors": errors} if errors else {})}


def _refusal(error: NotAuthenticated) -> dict[str, Any]:
    told = {"message": error.message, "extensions": {"code": error.code}}
    return {"data": None, "errors": [told]}


def _event(name: str, body: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encoded(body))
