"""What is told under the id of a subscription or a message: events, then how it ended."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...graphs.errors import AssayError, InvalidInput, InvalidSpec, RateLimited
from ..feed import Where
from ..http.problems import found
from .chat import Chat, inputs_of, text_of
from .commands import UnfitError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from ...graphs.event import Event
    from ...graphs.execution import Execution
    from ..control import Control
    from .frames import Say, Subscribe
    from .line import Line

_log = logging.getLogger("assay.socket")

Begin = tuple["Execution", "AsyncGenerator[Event]"]


class Telling:
    """A stream of events under an id, and how far it has come."""

    def __init__(self, line: Line, id: str, cursor: str | None) -> None:
        self._line = line
        self.id = id
        self.cursor = cursor
        """None: it is not known yet where `now` is."""
        self.moved = False
        """Whether events have been passed by since a cursor was told."""

    async def subscription(self, control: Control, asked: Subscribe) -> None:
        """The events that are wanted, until there are no more."""
        if asked.execution is not None:
            after = _seq(asked.after)
            told = await control.follow(asked.execution, after=after)
            await self._begin(str(after))
            await self._numbered(told)
        else:
            assert asked.events is not None
            assert not isinstance(asked.after, int)
            where = Where.of(asked.events.workflow, asked.events.types)
            cursor = await control.cursor(asked.after)
            await self._begin(cursor)
            placed = control.events_of_all(where, after=cursor, reached=self._reach)
            async with aclosing(placed):
                async for event, at in placed:
                    await self._tell(event, at)

    async def answer(
        self,
        control: Control,
        say: Say,
        chat: Chat,
        done: Callable[[Awaitable[Begin]], Awaitable[Begin]],
    ) -> Mapping[str, Any]:
        """Give the message to the workflow, tell what happens; the frame that holds the answer.

        `done` has a change made to its end, whatever becomes of this connection.
        """
        with chat.turn(say.session):
            document = await control.workflow(say.workflow)
            workflow = (await control.validate(document)).workflow
            history = chat.history(say.session, say.history)
            inputs = inputs_of(workflow, say, history)
            execution, told = await done(control.begin(say.workflow, inputs))
            await self._begin("0", execution=execution.id)
            await self._numbered(told)
            ended = await control.execution(execution.id)
            text = text_of(ended.outputs)
            if ended.error is None:
                chat.remember(say, history, text)
            told_of = ended.to_dict()
            return {
                "type": "answer",
                "id": self.id,
                "execution": ended.id,
                "status": ended.status.value,
                "outputs": told_of["outputs"],
                "text": text,
                "error": told_of["error"],
            }

    async def _begin(self, cursor: str, **more: str) -> None:
        self.cursor = cursor
        await self._line.send({"type": "subscribed", "id": self.id, "cursor": cursor, **more})

    async def _numbered(self, told: AsyncGenerator[Event]) -> None:
        async with aclosing(told):
            async for event in told:
                await self._tell(event, str(event.seq) if event.seq else None)

    async def _tell(self, event: Event, cursor: str | None) -> None:
        frame = {"type": "event", "id": self.id, "event": event.to_dict(), "cursor": cursor}
        await self._line.send(frame)
        if cursor is not None:
            self.cursor, self.moved = cursor, False

    def _reach(self, cursor: str) -> None:
        self.moved = self.moved or cursor != self.cursor
        self.cursor = cursor


def told_of(error: Exception, id: str | None) -> dict[str, Any]:
    """The frame that says what went wrong; what nobody expected is logged, and not told."""
    frame: dict[str, Any] = {"type": "error"} | ({} if id is None else {"id": id})
    if not isinstance(error, AssayError):
        _log.error("something failed on a connection", exc_info=error)
        inside = "Something unexpected happened; the server's log says what."
        return {**frame, "error": {"code": "internal", "message": inside}}
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, InvalidSpec):
        said["problems"] = [found(each) for each in error.problems]
    elif isinstance(error, UnfitError):
        said["problems"] = error.problems
    elif isinstance(error, RateLimited):
        said["retry_after"] = error.wait
    return {**frame, "error": said}


def _seq(after: int | str | None) -> int:
    text = str(after or 0)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(f"{after!r} is no `seq` of an execution; give a number from 0")
    return int(text)
