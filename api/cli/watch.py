"""One execution, watched from here until it has ended or waits for somebody who is not here."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...graphs.errors import AssayError, QuestionClosed
from ...graphs.event import EventType
from ...graphs.execution import Execution, Status
from ...graphs.question import Question, QuestionStatus, Wait
from .output import Output
from .screen import Screen
from .standing import Standing
from .text import clean

if TYPE_CHECKING:
    from .site import Ear, Site

PATIENCE = 3600.0
"""Seconds. Who waits only for a time that is nearer is watched on."""

_LOOK = 1.0
"""Seconds between two looks at what is waited for while something goes on."""


class Watch:
    """Drives nothing: shows what happens, asks where it may, and stops when it is told to.

    `asks`: somebody sits here who can be asked.
    """

    def __init__(
        self, site: Site, screen: Screen, stop: asyncio.Event, *, asks: bool = False
    ) -> None:
        self._site = site
        self._screen = screen
        self._stop = stop
        self._asks = asks
        self._left = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._asked = ""
        self._looked = 0.0

    async def end(self, execution: Execution, ear: Ear, *, after: int = 0) -> Standing:
        """Where the execution stands when there is no more to be seen from here.

        Events up to number `after` are taken for known. Raises what driving it raised.
        """
        id = execution.id
        telling = asyncio.create_task(self._tell(id, ear, after))
        leaving = asyncio.create_task(self._left.wait())
        driven = asyncio.create_task(self._site.driving(id))
        tasks = {telling, leaving, driven, asyncio.create_task(self._stopped(id))}
        try:
            async with self._screen:
                await _first(tasks, telling, leaving)
                await self._end_asking()
                if telling.done():
                    await driven  # its end has been told, and now it is let go of
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        questions = await self._site.open_questions(id)
        return Standing(await self._site.get(id), questions, self._site.far)

    async def _stopped(self, execution_id: str) -> None:
        await self._stop.wait()
        await self._end_asking()
        Output(sys.stderr).line("stopping …: waiting until nothing of it runs")
        await self._site.stop(execution_id)

    async def _tell(self, execution_id: str, ear: Ear, after: int) -> None:
        async for event in self._site.follow(execution_id, ear, after):
            self._screen.hear(event)
            match event.type:
                case EventType.STEP_STARTED if event.data.get("kind") == "sleep":
                    # What waits for time alone is not told as an event.
                    if time.monotonic() > self._looked + _LOOK:
                        await self._look(execution_id)
                case EventType.EXECUTION_WAITING | EventType.EXECUTION_PAUSED:
                    await self._consider(execution_id)
                case EventType.QUESTION_ANSWERED | EventType.QUESTION_WITHDRAWN:
                    if event.data.get("question") == self._asked:
                        await self._end_asking()

    async def _look(self, execution_id: str) -> Sequence[Question]:
        self._looked = time.monotonic()
        questions = await self._site.open_questions(execution_id)
        self._screen.wait_for(questions)
        return questions

    async def _consider(self, execution_id: str) -> None:
        """It waits: ask, stay, or leave."""
        execution = await self._site.row(execution_id)
        if execution.status is Status.PAUSED:
            self._left.set()
        if execution.status is not Status.WAITING or self._stop.is_set():
            return  # it has gone on meanwhile
        questions = await self._look(execution_id)
        askable = [q for q in questions if self._asks and _askable(q, self._site.me)]
        if askable:
            await self._end_asking()
            self._asked = askable[0].id
            self._asking = asyncio.create_task(self._ask(askable[0]))
        elif questions and not _soon(questions):
            self._left.set()

    async def _ask(self, question: Question) -> None:
        try:
            if await self._answered(question):
                return
        except QuestionClosed as error:  # somebody else was quicker: it goes on
            Output(sys.stderr).line(clean(error.message))
            return
        except AssayError as error:
            Output(sys.stderr).line(f"error: {clean(error.message)}")
        except Exception:
            self._left.set()
            raise
        self._left.set()

    async def _answered(self, question: Question) -> bool:
        """Whether it has an answer now; not when who was asked wants to think about it."""
        approved = await self._screen.approve(question)
        if approved is None:
            return False
        said = await self._site.answer(question.id, approved=approved)
        return said.status is not QuestionStatus.OPEN

    async def _end_asking(self) -> None:
        asking, self._asking, self._asked = self._asking, None, ""
        if asking is not None:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking


async def _first(tasks: Set[asyncio.Task[Any]], *last: asyncio.Task[Any]) -> None:
    """Until one of the last ones has ended, or any has failed. Raises what it raised."""
    waiting = set(tasks)
    while not any(task.done() for task in last):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def _askable(question: Question, me: str) -> bool:
    """Whether yes or no is an answer, from whoever sits here."""
    mine = not question.approvers or me in question.approvers
    voted = any(vote.by == me for vote in question.votes)
    return question.kind is Wait.APPROVAL and question.schema is None and mine and not voted


def _soon(questions: Sequence[Question]) -> bool:
    """Whether only time is waited for, and something of it is near."""
    if any(not question.timed for question in questions):
        return False
    due = [question.due for question in questions if question.due is not None]
    return bool(due) and min(due) - time.time() <= PATIENCE
