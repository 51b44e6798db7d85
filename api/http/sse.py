"""Server-sent events: the streams of one execution and of all, which resume where they were cut.

What is kept has an `id:`, from which `Last-Event-ID` or `after` goes on. What is only said while
it happens (tokens, output) has none, and `"seq": 0`. A quiet stream says that it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...graphs.errors import AssayError, InvalidInput
from ..feed import Where
from ..listening import HEARTBEAT, STALLED, revoked
from .asking import credential, desk
from .parameters import only_known
from .problems import MEDIA_TYPE as PROBLEM
from .problems import problem

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from ...graphs.event import Event
    from ..control import Control
    from ..feed import Placed

MEDIA_TYPE = "text/event-stream"

_LAST = 1.0
"""Seconds that who is told why it is over has to take it."""

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
    only_known(request)
    where = Where.of(workflow, type or ())
    cursor = await control.cursor(request.headers.get("last-event-id", after))
    place = Place(cursor)
    told = control.events_of_all(where, after=cursor, reached=place.reach)
    return EventStream(_placed(told), request, place)


async def of_execution(request: Request, id: str, after: int) -> Response:
    """The events of one execution, until it has ended; 204 when there are no more."""
    control = await desk(request).let_in(request, "sse")
    if (last := request.headers.get("last-event-id")) is not None:
        after = _seq(last)
    if await _over(control, id, after):
        return Response(status_code=204)  # after which a browser does not connect again
    told = await control.follow(id, after=after)
    return EventStream(_numbered(told), request, Place(str(after)))


def wants_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


class Place:
    """How far a stream has come; `moved`: since its reader was last told so."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        self.moved = False

    def reach(self, cursor: str) -> None:
        self.cursor, self.moved = cursor, True

    def told(self, cursor: str) -> None:
        self.cursor, self.moved = cursor, False


class _Told(NamedTuple):
    """A frame, and from where to go on after it; None: it is not kept."""

    frame: bytes
    cursor: str | None
    last: bool = False


class EventStream(Response):
    """Sends each frame as soon as there is one, and waits for whoever reads slowly: what they
    have not read stays where it is kept."""

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncGenerator[_Told], request: Request, place: Place) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._desk = desk(request)
        self._credential = credential(request)
        self._place = place
        self._upcoming: asyncio.Future[_Told | None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        over = asyncio.ensure_future(self._over(receive))
        try:
            with self._desk.farewell.listener():
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
                await self._send(send, self._begun(), over)
                while (frame := await self._next(over)) is not None:
                    await self._send(send, frame.frame, over)
                    if frame.cursor is not None:
                        self._place.told(frame.cursor)
                    if frame.last:
                        break
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except _StalledError:
            return  # nothing can be said to who does not read: the connection is cut
        finally:
            left = [each for each in (over, self._upcoming) if each is not None]
            for each in left:
                each.cancel()
            await asyncio.wait(left)
            await self._frames.aclose()

    async def _next(self, over: asyncio.Future[tuple[str, str]]) -> _Told | None:
        """What is to be told now; None: nothing is left."""
        if self._upcoming is None:
            self._upcoming = asyncio.ensure_future(anext(self._frames, None))
        both = (self._upcoming, over)
        await asyncio.wait(both, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            return self._closed(*over.result())
        if not self._upcoming.done():
            return self._quiet()
        ready, self._upcoming = self._upcoming, None
        try:
            return ready.result()
        except AssayError as error:
            return self._closed(error.code, error.message)

    async def _over(self, receive: Receive) -> tuple[str, str]:
        """Returns when nothing more may be told, with the code and the message of why."""
        gone = asyncio.ensure_future(_gone(receive))
        refused = asyncio.ensure_future(revoked(self._identify))
        ending = asyncio.ensure_future(self._desk.farewell.begun())
        every = (gone, refused, ending)
        try:
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            if refused.done():
                return refused.result().code, refused.result().message
            return "server_ends", "The server ends; come back with the cursor"
        finally:
            for each in every:
                each.cancel()
            await asyncio.wait(every)

    async def _identify(self) -> None:
        await self._desk.identity.asker(self._credential, "sse")

    async def _send(self, send: Send, frame: bytes, over: asyncio.Future[Any]) -> None:
        """Raises `_StalledError` when nobody takes it, or not before it is over."""
        message = {"type": "http.response.body", "body": frame, "more_body": True}
        sending = asyncio.ensure_future(send(message))
        try:
            if over.done():
                await asyncio.wait((sending,), timeout=_LAST)
            else:
                both = (sending, over)
                await asyncio.wait(both, timeout=STALLED, return_when="FIRST_COMPLETED")
            if not sending.done():
                raise _StalledError
            sending.result()
        finally:
            sending.cancel()

    def _begun(self) -> bytes:
        """Where it begins, for who is cut off before the first event."""
        return f": here\nid: {self._place.cursor}\n\n".encode()

    def _closed(self, code: str, message: str) -> _Told:
        """Why a stream ends that is not over by itself."""
        said = {"code": code, "message": message, "cursor": self._place.cursor}
        return _Told(_frame("closed", said), None, last=True)

    def _quiet(self) -> _Told:
        """For a stream whose events nobody wants how far it has come counts, too."""
        if not self._place.moved:
            return _Told(b": quiet\n\n", None)
        cursor = self._place.cursor
        return _Told(f": quiet\nid: {cursor}\n\n".encode(), cursor)


class _StalledError(Exception):
    """Who reads does not."""


async def _placed(told: AsyncGenerator[Placed]) -> AsyncGenerator[_Told]:
    async with aclosing(told):
        async for event, cursor in told:
            yield _Told(_frame(event.type, event.to_dict(), cursor), cursor)


async def _numbered(told: AsyncGenerator[Event]) -> AsyncGenerator[_Told]:
    async with aclosing(told):
        async for event in told:
            cursor = str(event.seq) if event.seq else None
            yield _Told(_frame(event.type, event.to_dict(), cursor), cursor)


def _frame(type: str, data: Any, id: str | None = None) -> bytes:
    named = b"" if id is None else f"id: {id}\n".encode()
    return named + f"event: {type}\n".encode() + b"data: " + orjson.dumps(data) + b"\n\n"


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
