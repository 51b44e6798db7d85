"""Waiting for an execution on behalf of a caller: told how far it is, asked what it asks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from ...graphs.event import EventType
from ...graphs.execution import Execution
from ...graphs.question import Question, QuestionStatus
from ..access import Operation
from .progress import Progress
from .telling import PERSON

if TYPE_CHECKING:
    from ...graphs.event import Event
    from ..control import Control

_STOPS = frozenset({EventType.QUESTION_ASKED, EventType.EXECUTION_PAUSED})
_CLOSES = frozenset({EventType.QUESTION_ANSWERED, EventType.QUESTION_WITHDRAWN})

RECHECK = 2.0
"""Seconds between looks whether who waits may still ask."""

Report = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Standing:
    """An execution now, and what it waits for."""

    execution: Execution
    waits: tuple[Question, ...] = ()

    def asked(self, known: frozenset[str]) -> tuple[Question, ...]:
        """What people can answer, except what is known already."""
        return tuple(q for q in self.waits if q.kind in PERSON and q.id not in known)


class Waiting:
    """One caller in front of one execution, until a moment on the monotonic clock."""

    def __init__(
        self,
        control: Control,
        execution_id: str,
        *,
        total: int,
        until: float,
        report: Report,
        still: Callable[[], Awaitable[None]],
    ) -> None:
        self._control = control
        self._id = execution_id
        self._until = until
        self._report = report
        self._still = still
        self._progress = Progress(total)

    async def standing(self) -> Standing:
        execution = await self._control.execution(self._id)
        if execution.status.terminal:
            return Standing(execution)
        page = await self._control.questions(execution_id=self._id)
        return Standing(execution, tuple(page.items))

    async def catch_up(self) -> None:
        """Take in what has happened already, without a word."""
        async for event in await self._control.events(self._id, after=self._progress.seen):
            self._progress.fold(event)

    async def turn(self, known: frozenset[str] = frozenset()) -> Standing:
        """Until it has ended, is paused, asks somebody what is not known, or time is up."""
        while True:
            await self.catch_up()
            standing = await self.standing()
            if (
                self._progress.ended
                or standing.execution.status.terminal
                or standing.execution.paused
                or standing.asked(known)
                or time.monotonic() >= self._until
            ):
                return standing
            await self._hear(lambda event: event.type in _STOPS)

    async def closed(self, question: Question) -> None:
        """Until nobody wants an answer to the question any more, or time is up."""
        while time.monotonic() < self._until:
            await self.catch_up()
            now = await self._control.question(question.id)
            if now.status is not QuestionStatus.OPEN or self._progress.ended:
                return
            await self._hear(lambda event: event.type in _CLOSES)

    async def _hear(self, enough: Callable[[Event], bool]) -> None:
        """Report how it goes on, until such an event, the end, or the end of the time."""
        heard = False
        while not (heard or self._progress.ended):
            left = self._until - time.monotonic()
            if left <= 0:
                return
            await self._still()
            following = await self._control.follow(self._id, after=self._progress.seen)
            with anyio.move_on_after(min(left, RECHECK)):
                async with aclosing(following) as events:
                    async for event in events:
                        heard = heard or enough(event)
                        if self._progress.fold(event):
                            await self._report(self._progress)
                        if heard or self._progress.ended:
                            break


def askable(control: Control, standing: Standing) -> Question | None:
    """The first question that this asker may answer, and has not yet."""
    if not control.may(Operation.ANSWER_QUESTION, standing.execution.workflow):
        return None
    name, now = control.asker.principal.name, time.time()
    for question in standing.asked(frozenset()):
        allowed = [*question.approvers]
        if question.escalates is not None and now >= question.escalates:
            allowed += question.later
        if (not question.approvers or name in allowed) and all(
            vote.by != name for vote in question.votes
        ):
            return question
    return None
