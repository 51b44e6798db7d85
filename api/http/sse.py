"""Server-sent events: the streams of one execution and of all, which resume where they were cut.

What is kept has an `id:`, from which `Last-Event-ID` or `after` goes on. What is only said while
it happens (tokens, output) has none, and `"seq": 0`. A quiet stream says so every 15 seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...graphs.errors import AssayError, InvalidInput, StoreUnavailable
from ..feed import Where
from .asking import credential, desk
from .problems import MEDIA_TYPE as PROBLEM
from .problems import problem

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from ...graphs.event import Event
    from ..control import Control

MEDIA_TYPE = "text/event-stream"

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent."""

LOOK = 2.0
"""Seconds between two looks whether who listens still may."""

STALLED = 60.0
"""Seconds after which a reader that takes nothing is let go."""

router = APIRouter()


_FRAME = 'id: 3\nevent: StepStarted\ndata: {"execution_id": "01a1…", "seq": 3, …}\n\n'
DESCRIBED: Mapping[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _FRAME}}
"""For OpenAPI."""


@router.get(
    "/events",
    tags=["events"],
    response_class=Response,
    responses={
        200: {"description": "Each event as it happens.", "content": DESCRIBED},
        406: {"description": "Nobody accepts a stream.", "content": {PROBLEM: {}}},
    },
)
async def stream_events(
    request: Request,
    after: str | None = None,
    workflow: str | None = None,
    type: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Every event of every execution from now on, or after a cursor; it ends with who reads."""
    if not wants_stream(request):
        return problem(406, "not_acceptable", f"This is a stream: accept {MEDIA_TYPE}")
    control = await desk(request).let_in(request, "sse")
    where = Where.of(workflow, type or ())
    cursor = request.headers.get("last-event-id", after)
    place = Place(cursor)
    told = control.events_of_all(where, after=cursor, reached=place.reach)
    return EventStream(_placed(told, place), _still(request), place)


async def of_execution(request: Request, id: str, after: int) -> Response:
    """The events of one execution, until it has ended; 204 when there are no more."""
    control = await desk(request).let_in(request, "sse")
    if (last := request.headers.get("last-event-id")) is not None:
        after = _seq(last)
    if await _over(control, id, after):
        return Response(status_code=204)  # after which a browser does not connect again
    return EventStream(_numbered(await control.follow(id, after=after)), _still(request), Place())


def wants_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


class Place:
    """How far a stream has come; `moved`: since its reader was last told so."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        self.moved = False

    def reach(self, cursor: str) -> None:
        self.cursor, self.moved = cursor, True

    def told(self, cursor: str) -> None:
        self.cursor, self.moved = cursor, False


class EventStream(Response):
    """Sends each frame as soon as there is one, and waits for whoever reads slowly: what they
    have not read stays where it is kept."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        still: Callable[[], Awaitable[None]],
        place: Place,
    ) -> None:
        """`still` raises when who listens may not any more."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._still = still
        self._place = place
        self._looked = self._said = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        upcoming = asyncio.ensure_future(anext(self._frames, None))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await self._send(send, b": here\n\n", gone)
            while not gone.done():
                await asyncio.wait((upcoming, gone), timeout=LOOK, return_when="FIRST_COMPLETED")
                if (why := await self._refused()) is not None:
                    await self._send(send, why, gone)
                    break
                if upcoming.done():
                    frame = upcoming.result()
                    if frame is None:
                        break
                    await self._send(send, frame, gone)
                    upcoming = asyncio.ensure_future(anext(self._frames, None))
                elif time.monotonic() - self._said >= HEARTBEAT:
                    await self._send(send, self._heartbeat(), gone)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except _StalledError:
            return  # nothing can be said to who does not read: the connection is cut
        finally:
            for each in (upcoming, gone):
                each.cancel()
            await asyncio.wait((upcoming, gone))
            await self._frames.aclose()

    async def _send(self, send: Send, frame: bytes, gone: asyncio.Future[None]) -> None:
        """Raises `_StalledError` when nobody takes it."""
        message = {"type": "http.response.body", "body": frame, "more_body": True}
        sending = asyncio.ensure_future(send(message))
        since = time.monotonic()
        try:
            while not sending.done():
                await asyncio.wait((sending, gone), timeout=LOOK, return_when="FIRST_COMPLETED")
                if sending.done() or gone.done():
                    break
                if time.monotonic() - since > STALLED or await self._refused() is not None:
                    raise _StalledError
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
        self._said = time.monotonic()

    async def _refused(self) -> bytes | None:
        """The last thing to say to who may not listen any more."""
        if time.monotonic() - self._looked < LOOK:
            return None
        self._looked = time.monotonic()
        try:
            await self._still()
        except StoreUnavailable:
            return None
        except AssayError as error:
            said = {"code": error.code, "message": error.message, "cursor": self._place.cursor}
            return _frame("closed", said)
        return None

    def _heartbeat(self) -> bytes:
        """For a stream whose events nobody wants how far it has come counts, too."""
        if not self._place.moved:
            return b": quiet\n\n"
        cursor = self._place.cursor or ""
        self._place.told(cursor)
        return f"id: {cursor}\n\n".encode()


class _StalledError(Exception):
    """Who reads does not."""


async def _placed(told: AsyncGenerator[Any], place: Place) -> AsyncGenerator[bytes]:
    try:
        async for event, cursor in told:
            place.told(cursor)
            yield _frame(event.type, event.to_dict(), cursor)
    except AssayError as error:
        yield _error(error)
    finally:
        await told.aclose()


async def _numbered(told: AsyncIterator[Event]) -> AsyncGenerator[bytes]:
    try:
        async for event in told:
            yield _frame(event.type, event.to_dict(), str(event.seq) if event.seq else None)
    except AssayError as error:
        yield _error(error)
    finally:
        await told.aclose()  # type: ignore[attr-defined]


def _error(error: AssayError) -> bytes:
    return _frame("closed", {"code": error.code, "message": error.message})


def _frame(type: str, data: Any, id: str | None = None) -> bytes:
    named = b"" if id is None else f"id: {id}\n".encode()
    return named + f"event: {type}\n".encode() + b"data: " + orjson.dumps(data) + b"\n\n"


def _still(request: Request) -> Callable[[], Awaitable[None]]:
    async def still() -> None:
        await desk(request).identity.asker(credential(request), "sse")

    return still


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(f"{text!r} is no `Last-Event-ID` of this stream; give a number")
    return int(text)


async def _over(control: Control, id: str, after: int) -> bool:
    async for _ in await control.events(id, after=after):
        return False
    return bool((await control.execution(id)).status.terminal) and after > 0


async def _gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
