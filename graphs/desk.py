"""The questions of one execution: asked, answered, timed out, withdrawn.

A question is durable before anybody can answer it; its answer is durable in the store
before the step that asked goes on. Nothing here holds a worker: a step that waits is a
`Place` in memory, or, when the execution has left memory, only a row in the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from .event import EventType
from .execution import timestamp
from .journal import Journal
from .lease import Message
from .ports import Questions
from .question import Answer, Question, QuestionStatus, Wait, question_id
from .strands import Parked, Place, Strand

LOOK_AGAIN = 30.0
"""Seconds after which a wait looks at the clock again: it may have been set."""


class Desk:
    """Asks and hears. `known` are the questions that the execution asked before it was
    interrupted. What is cancelled while it is `leaving` is asked still."""

    def __init__(self, journal: Journal, store: Questions, known: Iterable[Question]) -> None:
        self.leaving = False
        self._journal = journal
        self._store = store
        self._known = {q.id: q for q in known}
        self._places: dict[str, list[Place]] = {}
        self._heard: set[str] = set()
        self._told: set[str] = set()
        self._taken = {v for (_, name), v in journal.decisions.items() if name == TAKEN}

    @property
    def open(self) -> tuple[Question, ...]:
        """What is waited for at the moment."""
        return tuple(self._known[id] for id in self._places)

    async def ask(self, question: Question, strand: Strand) -> Answer | None:
        """The answer, when there is one; None when `due` came first.

        `question` needs no id. Several may ask the same. Cancelling the last of them
        withdraws it.
        """
        execution = self._journal.execution.id
        id = question_id(execution, question.path, question.kind)
        known = self._known.get(id)
        if (
            known is None
            or known.status is QuestionStatus.WITHDRAWN
            or (known.timed and known.due != question.due)
        ):
            again = 0 if known is None else known.revision + 1
            known = replace(
                question, id=id, execution_id=execution, asked_at=timestamp(), revision=again
            )
            await self._put(known)
        return await self._answer(known, strand)

    def hear(self, message: Message) -> None:
        """An answer or an event has come. Hearing the same twice is harmless."""
        id = str(message.data.get("question", ""))
        self._journal.consume(message.id)
        self._heard.add(id)
        self._wake(id)

    def close(self) -> None:
        """Withdraw whatever is asked still: the execution ends."""
        for question in list(self._known.values()):
            if question.status is QuestionStatus.OPEN:
                self._save(question.withdrawn())

    def due(self, path: str, kind: Wait) -> float | None:
        """When the wait ends that was open when the execution was interrupted."""
        known = self._known.get(question_id(self._journal.execution.id, path, kind))
        return known.due if known is not None and known.status is QuestionStatus.OPEN else None

    def end(self, path: str, kind: Wait) -> None:
        """The time that was waited for has come."""
        known = self._known[question_id(self._journal.execution.id, path, kind)]
        self._save(known.answered(Answer(at=timestamp())))

    def unwind(self) -> None:
        """Make every step that waits leave memory."""
        for id, places in self._places.items():
            for place in places:
                place.unwind(Parked((self._known[id],)))

    def _save(self, question: Question) -> None:
        """Replace what is known of it, with the next commit."""
        changed = replace(question, revision=question.revision + 1)
        self._known[question.id] = changed
        self._journal.save(changed)

    async def _put(self, question: Question) -> None:
        self._known[question.id] = question
        self._journal.save(question)
        if not question.timed:
            self._journal.note(
                EventType.QUESTION_ASKED,
                question.path,
                question=question.id,
                kind=question.kind.value,
                message=question.message,
                due=question.due,
            )
        await self._journal.flush()

    async def _answer(self, question: Question, strand: Strand) -> Answer | None:
        if question.kind is Wait.EVENT:
            self._heard.add(question.id)  # it may have come before anybody waited
        while True:
            # Before looking, so that what comes while we look is not missed.
            place = Place(strand)
            self._places.setdefault(question.id, []).append(place)
            try:
                if (answer := await self._there(question)) is not None:
                    return self._closed(question, answer)
                if question.due is not None and time.time() >= question.due:
                    if await self._expired(question):
                        return None
                    self._heard.add(question.id)
                    continue
                await self._wait(place, self._escalated(question))
            except asyncio.CancelledError:
                if not self.leaving and self._places[question.id] == [place]:
                    self._withdraw(question)
                raise
            finally:
                self._places[question.id].remove(place)
                if not self._places[question.id]:
                    del self._places[question.id]

    def _escalated(self, question: Question) -> float | None:
        """When to look again; others may answer from some time on, and an event says so."""
        if question.escalates is None or self._journal.decided(question.path, ESCALATED):
            return question.due
        if time.time() < question.escalates:
            return min(question.escalates, question.due or question.escalates)
        self._journal.decide(question.path, ESCALATED, timestamp)
        self._journal.note(
            EventType.QUESTION_ESCALATED,
            question.path,
            question=question.id,
            approvers=list(question.later),
        )
        return question.due

    async def _there(self, question: Question) -> Answer | None:
        """An answer that has come already, before the wait or while nobody listened."""
        if question.timed:
            return None
        if question.id in self._heard:
            self._heard.discard(question.id)
            if question.kind is Wait.EVENT:
                return await self._signal(question)
            self._known[question.id] = await self._fresh(question.id)
        known = self._known[question.id]
        return known.answer if known.status is QuestionStatus.ANSWERED else None

    async def _signal(self, question: Question) -> Answer | None:
        """The first event since the execution was created that it has not taken yet."""
        assert question.event is not None
        created = datetime.fromisoformat(self._journal.execution.created_at).timestamp()
        name, key = question.event, question.key
        kept = await self._journal.patiently(lambda: self._store.signals(name, key, since=created))
        for signal in kept:
            # Too late is too late, also where nobody was there at `due`.
            late = question.due is not None and signal.at >= question.due
            if signal.id not in self._taken and not late:
                self._taken.add(signal.id)
                taken = {"id": signal.id, "payload": signal.payload, "key": signal.key}
                return Answer(taken, at=timestamp())
        return None

    def _wake(self, id: str) -> None:
        for place in self._places.get(id, ()):
            place.resolve()

    def _closed(self, question: Question, answer: Answer) -> Answer:
        if question.id in self._told:
            return answer
        self._told.add(question.id)
        self._wake(question.id)  # others may wait for it, too
        if question.kind is Wait.EVENT:
            assert isinstance(answer.value, Mapping)
            self._journal.decide(question.path, TAKEN, lambda: answer.value["id"])
            self._save(question.answered(answer))
        self._journal.note(
            EventType.QUESTION_ANSWERED,
            question.path,
            question=question.id,
            by=answer.by,
            approved=answer.approved,
        )
        return answer

    async def _expired(self, question: Question) -> bool:
        """Whether time was first; somebody may have answered in this very moment."""
        closed = _next(replace(question, status=QuestionStatus.WITHDRAWN))
        if question.timed:
            self._save(question.answered(Answer(at=timestamp())))
            return True
        if await self._journal.patiently(lambda: self._store.answer(closed)):
            return True
        fresh = await self._fresh(question.id)
        # A vote that decides nothing moves the revision, and time is first all the same.
        again = _next(replace(fresh, status=QuestionStatus.WITHDRAWN))
        return fresh.status is QuestionStatus.OPEN and await self._journal.patiently(
            lambda: self._store.answer(again)
        )

    async def _fresh(self, question_id: str) -> Question:
        return await self._journal.patiently(lambda: self._store.question(question_id))

    async def _wait(self, place: Place, due: float | None) -> None:
        alarm = None if due is None else Alarm(due, place.resolve)
        try:
            await place.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def _withdraw(self, question: Question) -> None:
        self._save(self._known[question.id].withdrawn())
        if not question.timed:
            self._journal.note(EventType.QUESTION_WITHDRAWN, question.path, question=question.id)


class Alarm:
    """Calls once when a time has come, seconds since 1970, also when the clock is set."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self._due = due
        self._call = call
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        rest = self._due - time.time()
        if rest <= 0:
            self._call()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(rest, LOOK_AGAIN), self._look)


TAKEN = "event"
"""The decision that names the event that a `wait_event` step has taken."""


ESCALATED = "escalated"
"""The decision that says when others were asked as well."""


def _next(question: Question) -> Question:
    return replace(question, revision=question.revision + 1)
