"""One connection: who it is, what they ask for, what they are told, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from ...graphs.errors import AssayError, NotAuthenticated
from ..control import Asker, Control
from ..http.asking import credential, desk
from ..listening import HEARTBEAT, revoked
from . import frames
from .chat import Chat
from .commands import COMMANDS, UnfitError
from .frames import Beat, ClosingError, Command, Hello, Say, Subscribe, Unsubscribe
from .line import Line
from .telling import Telling, told_of

if TYPE_CHECKING:
    from .frames import Asked

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a client has for its hello."""

STREAMS = 100
"""Subscriptions and messages that may go on at once on one connection."""

COMMANDS_AT_ONCE = 16
"""Commands under way, after which nothing more is read until one is done."""

SURFACE = "ws"


async def serve(socket: WebSocket) -> None:
    """The endpoint of `/v1/ws`."""
    await socket.accept()
    await Connection(socket).serve()


class Connection:
    """What is under way goes by its ids; a change that was begun is made to its end."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._desk = desk(socket)
        self._line = Line(socket)
        self._key: str | None = None
        self._chat = Chat()
        self._tellings: dict[str, Telling] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By id, streams and commands alike."""
        self._changes: set[asyncio.Future[Any]] = set()
        self._room = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._over: asyncio.Future[ClosingError | None] = asyncio.Future()

    async def serve(self) -> None:
        beside = [
            asyncio.create_task(self._guarded(each)) for each in (self._converse, self._farewell)
        ]
        try:
            with self._desk.farewell.listener():
                closing = await self._over
                await self._end([*beside, *self._tasks.values()])
                if closing is not None:
                    all = self._tellings.values()
                    cursors = {each.id: each.cursor for each in all if each.cursor is not None}
                    await self._line.close(closing, cursors)
            if self._changes:
                await asyncio.wait(self._changes)
        finally:
            await self._end([*beside, *self._tasks.values()])

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever goes wrong ends the connection, and says why where it can."""
        why: ClosingError | None = None
        try:
            await work()
        except ClosingError as error:
            why = error
        except WebSocketDisconnect:
            pass
        except Exception as error:
            said = told_of(error, None)["error"]
            why = ClosingError(frames.INTERNAL, said["code"], said["message"])
        else:
            return
        if not self._over.done():
            self._over.set_result(why)

    async def _farewell(self) -> None:
        await self._desk.farewell.begun()
        raise ClosingError(frames.LEAVING, "server_ends", "The server ends; come back soon")

    async def _converse(self) -> None:
        asker = await self._hello()
        principal = asker.principal
        named = {"id": principal.id, "name": principal.name, "role": principal.role}
        welcome = {
            "type": "welcome",
            "protocol": 1,
            "principal": {**named, "scopes": list(principal.scopes)},
            "tenant": asker.tenant,
            "heartbeat": HEARTBEAT,
        }
        await self._line.send(welcome)
        watching = asyncio.create_task(self._guarded(self._watch))
        beating = asyncio.create_task(self._guarded(self._beat))
        try:
            while True:
                await self._take(await self._read())
        finally:
            await self._end([watching, beating])

    async def _hello(self) -> Asker:
        try:
            async with asyncio.timeout(PATIENCE):
                first = await self._read()
        except TimeoutError as error:
            late = f"There was no hello within {PATIENCE:g} s"
            raise ClosingError(frames.TOO_LATE, "too_late", late) from error
        if not isinstance(first, Hello):
            raise ClosingError(frames.REFUSED, "hello_first", "The first message is a hello")
        self._key = first.key
        try:
            asker = await self._identify()
            await self._desk.pace.principal(self._socket, asker)
        except NotAuthenticated as error:
            raise ClosingError(frames.REFUSED, error.code, error.message) from error
        except AssayError as error:
            raise ClosingError(frames.TRY_LATER, error.code, error.message) from error
        return asker

    async def _identify(self) -> Asker:
        presented = self._key or credential(self._socket)
        return await self._desk.identity.asker(presented, SURFACE)

    async def _control(self) -> Control:
        """What they may do now. Raises `ClosingError` when they are let in no more."""
        try:
            asker = await self._identify()
        except NotAuthenticated as error:
            raise ClosingError(frames.FORBIDDEN, error.code, error.message) from error
        await self._desk.pace.principal(self._socket, asker)
        return self._desk.control(asker)

    async def _watch(self) -> None:
        error = await revoked(self._identify)
        raise ClosingError(frames.FORBIDDEN, error.code, error.message)

    async def _beat(self) -> None:
        """When it has been quiet, say so, and how far the streams have come that said nothing."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(max(0.0, self._line.spoke + HEARTBEAT - clock()))
            if clock() < self._line.spoke + HEARTBEAT:
                continue
            moved = [each for each in self._tellings.values() if each.moved]
            cursors = {each.id: each.cursor for each in moved if each.cursor is not None}
            await self._line.send({"type": "ping"} | ({"cursors": cursors} if cursors else {}))
            for each in moved:
                each.moved = each.cursor != cursors.get(each.id)

    async def _read(self) -> Asked:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        return frames.read(message.get("text"))

    async def _take(self, asked: Asked) -> None:
        if isinstance(asked, Beat):
            if asked.type == "ping":
                await self._line.send({"type": "pong"})
        elif isinstance(asked, Hello):
            raise ClosingError(frames.TOO_MANY, "too_many", "One hello is enough")
        elif isinstance(asked, Unsubscribe):
            await self._unsubscribe(asked.id)
        elif isinstance(asked, Command):
            self._free(asked.id)
            await self._room.acquire()
            self._begin(asked.id, partial(self._command, asked)).add_done_callback(self._leave_room)
        elif isinstance(asked, Subscribe):
            telling = self._telling(asked.id, asked.place)
            self._begin(asked.id, partial(self._subscription, telling, asked))
        else:
            telling = self._telling(asked.id, "0")
            self._begin(asked.id, partial(self._message, telling, asked))

    def _telling(self, id: str, cursor: str | None) -> Telling:
        self._free(id)
        if len(self._tellings) >= STREAMS:
            many = f"{STREAMS} streams may go on at once on one connection"
            raise ClosingError(frames.TOO_MANY, "too_many", many)
        telling = self._tellings[id] = Telling(self._line, id, cursor)
        return telling

    def _free(self, id: str) -> None:
        if id in self._tasks:
            raise ClosingError(frames.IN_USE, "id_in_use", f"The id {id!r} is in use")

    def _begin(self, id: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = self._tasks[id] = asyncio.create_task(self._guarded(work))
        return task

    def _leave_room(self, _: asyncio.Task[None]) -> None:
        self._room.release()

    async def _subscription(self, telling: Telling, asked: Subscribe) -> None:
        async def told() -> dict[str, Any]:
            await telling.subscription(await self._control(), asked)
            return {"type": "ended", "id": asked.id, "cursor": telling.cursor}

        await self._last(asked.id, told)

    async def _message(self, telling: Telling, say: Say) -> None:
        async def answered() -> Any:
            return await telling.answer(await self._control(), say, self._chat, self._done)

        await self._last(say.id, answered)

    async def _command(self, asked: Command) -> None:
        async def done() -> dict[str, Any]:
            command = COMMANDS.get(asked.command)
            if command is None:
                at = {"at": "command", "message": f"there is no {asked.command[:100]!r}"}
                raise UnfitError([at])
            control = await self._control()
            value, replayed = await self._done(command(control, asked.arguments))
            frame = {"type": "result", "id": asked.id, "result": value}
            return {**frame, "replayed": True} if replayed else frame

        await self._last(asked.id, done)

    async def _last(self, id: str, work: Callable[[], Awaitable[Any]]) -> None:
        """The last frame under an id, after which it is free."""
        try:
            frame = await work()
        except (ClosingError, WebSocketDisconnect):
            raise
        except Exception as error:
            frame = told_of(error, id)
        self._tasks.pop(id, None)
        self._tellings.pop(id, None)
        await self._line.send(frame)

    async def _done(self, change: Awaitable[T]) -> T:
        """A change is made to its end, whatever becomes of the connection."""
        making = asyncio.ensure_future(change)
        self._changes.add(making)
        making.add_done_callback(self._changes.discard)
        return await asyncio.shield(making)

    async def _unsubscribe(self, id: str) -> None:
        """One that has ended meanwhile was told so."""
        telling = self._tellings.get(id)
        if telling is None:
            return
        await self._end([self._tasks[id]])
        if id in self._tellings:
            del self._tellings[id], self._tasks[id]
            await self._line.send({"type": "ended", "id": id, "cursor": telling.cursor})
