"""What becomes of a letter is told in its thread, from the firing to the last word.

Whoever goes on after a restart reads where things stand, and shows that: nothing is told from
memory alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...graphs.errors import (
    ExecutionNotFound,
    FiringNotFound,
    PlatformRefused,
    PlatformUnavailable,
    StoreError,
    StoreUnavailable,
    WorkflowNotFound,
)
from ...graphs.event import Event, EventType
from ...graphs.firing import Firing, FiringStatus
from ...graphs.listing import every
from . import cards
from .answering import Answer, speaking
from .posting import Post
from .progress import Progress

if TYPE_CHECKING:
    from ...graphs.manager import Manager
    from .adapter import Card, ChatAdapter
    from .letters import Letter

UNHEARD = 30.0
"""Seconds after which an execution is looked at of which nothing was heard."""

LATEST = 2.0
"""Seconds between two looks at a firing that waits for its turn."""

PATIENCE = 60.0
"""The longest pause of a platform that does not answer, in seconds."""

_log = logging.getLogger("assay.chat")


@dataclass(slots=True)
class _Tale:
    """One letter that is told of now."""

    letter: Letter
    post: Post
    progress: Progress
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Answer | None = None
    early: list[Event] = field(default_factory=list)
    shown: dict[str, Card] = field(default_factory=dict)

    async def put(self, name: str, card: Card) -> None:
        """Unless it stands there already. What the platform refuses is not shown."""
        if self.shown.get(name) == card:
            return
        try:
            await self.post.put(name, card)
        except PlatformRefused as error:
            _log.warning("%s of letter %s is not shown: %s", name, self.letter.id, error)
        self.shown[name] = card

    async def rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait()
        except TimeoutError:
            pass


class Teller:
    """Tells of every letter that began something."""

    def __init__(self, manager: Manager, adapters: Mapping[str, ChatAdapter]) -> None:
        self._manager = manager
        self._adapters = adapters
        self._tales: dict[str, list[_Tale]] = {}

    def wake(self, execution_id: str, *, asks: bool = False) -> None:
        """Something has happened to an execution; `asks`: to its questions."""
        for tale in self._tales.get(execution_id, ()):
            tale.progress.asks = tale.progress.asks or asks
            tale.bell.set()

    async def listen(self) -> None:
        """Wake those of whom something is heard in this process, and hear agents speak."""
        async for event in self._manager.follow():
            for tale in self._tales.get(event.execution_id, ()):
                if event.type is EventType.TOKEN:
                    self._hear(tale, event)
                elif not event.type.live:
                    tale.bell.set()

    def _hear(self, tale: _Tale, event: Event) -> None:
        if tale.answer is None:
            if len(tale.early) < 1000:
                tale.early.append(event)
        elif tale.answer.hear(event):
            tale.bell.set()

    async def watch(self) -> None:
        """Wake those of whom the store's log says something that other processes did."""
        store, cursor = self._manager.store, ""
        while True:
            await asyncio.sleep(max(0.5, store.pace.listen))
            try:
                cursor = await self._watched(cursor) if self._tales else ""
            except StoreError as error:
                _log.warning("what others do is heard of later: %s", error)
                cursor = ""

    async def _watched(self, cursor: str) -> str:
        """Up to where it has been read; from an empty cursor on, nothing is."""
        store = self._manager.store
        if not cursor:
            cursor = await store.log_end()
            for id in [*self._tales]:  # what was said before is not in the log from here
                self.wake(id)
            return cursor
        for logged in await store.log(after=cursor):
            self.wake(logged.execution_id)
            cursor = logged.cursor
        return cursor

    async def tell(self, letter: Letter) -> None:
        """Until all is told and the letter closed. Raises `TakenOverError`, `StoreError`."""
        told = letter.told
        adapter = self._adapters[told.conversation.platform]
        progress = Progress(told.workflow, told.execution)
        tale = _Tale(letter, Post(adapter, letter), progress)
        self._tales.setdefault(told.execution, []).append(tale)
        failures = 0
        try:
            while letter.open:
                try:
                    tale.bell.clear()
                    await self._step(tale)
                    failures = 0
                except ExecutionNotFound:
                    await letter.close(FiringStatus.STARTED, "its execution was deleted")
                except (PlatformUnavailable, StoreUnavailable) as error:
                    failures += 1
                    wait = getattr(error, "wait", 0) or min(PATIENCE, 2.0 ** (failures - 1))
                    _log.warning("%s: %s; trying again in %.0f s", adapter.name, error, wait)
                    await asyncio.sleep(wait)
        finally:
            tales = self._tales[told.execution]
            tales.remove(tale)
            if not tales:
                del self._tales[told.execution]

    async def _step(self, tale: _Tale) -> None:
        """Bring what is shown up to date; return when there may be more."""
        if not tale.progress.seq and not await self._began(tale):
            return
        await self._read(tale)
        if tale.progress.ended:
            await self._end(tale)
            return
        await tale.put("status", tale.progress.card())
        if tale.answer is not None:
            await tale.answer.flush()
        await asyncio.sleep(tale.post.adapter.pace)
        await tale.rest(UNHEARD)

    async def _began(self, tale: _Tale) -> bool:
        """Whether its execution has begun; else say what there is to say of the firing."""
        firing = await self._firing(tale)
        workflow = tale.letter.told.workflow
        match firing.status if firing else FiringStatus.DEAD:
            case FiringStatus.STARTED:
                await self._listened(tale)
                return True
            case FiringStatus.PENDING:
                await tale.rest(0.1)
            case FiringStatus.WAITING:
                await tale.put("status", cards.queued(workflow))
                await tale.rest(LATEST)
            case FiringStatus.MERGED:
                await tale.put("status", cards.merged(workflow))
                await tale.letter.close(FiringStatus.MERGED)
            case _ as status:
                if firing is not None:
                    await tale.put("status", cards.not_begun(workflow, firing))
                await tale.letter.close(status, "it did not begin")
        return False

    async def _firing(self, tale: _Tale) -> Firing | None:
        try:
            firing = await self._manager.store.firing(tale.letter.told.firing)
        except FiringNotFound:
            return None
        if firing.status is FiringStatus.STARTED:
            return firing
        try:  # it begins before its firing says so
            await self._manager.store.execution(firing.execution_id)
        except ExecutionNotFound:
            return firing
        return replace(firing, status=FiringStatus.STARTED)

    async def _listened(self, tale: _Tale) -> None:
        if tale.answer is not None:
            return
        execution = await self._manager.store.execution(tale.letter.told.execution)
        try:
            document = await self._manager.store.workflow_by_digest(execution.digest)
        except WorkflowNotFound:
            document = {}
        tale.answer = Answer(tale.post, speaking(document))
        for event in tale.early:
            tale.answer.hear(event)
        tale.early.clear()

    async def _read(self, tale: _Tale) -> None:
        progress = tale.progress
        async for event in self._manager.events(progress.execution, after=progress.seq):
            progress.add(event)
        if not progress.asks:
            return
        progress.asks = False
        try:
            await self._ask(tale)
        except BaseException:
            progress.asks = True
            raise

    async def _ask(self, tale: _Tale) -> None:
        """Each question has a message, which says how it was answered in the end."""
        asked, id = self._manager.questions, tale.progress.execution
        async for question in every(asked, execution_id=id, status=None):
            known = tale.post.posted(question.id)
            if cards.answerable(question) and (known or question.status == "open"):
                await tale.put(question.id, cards.question_card(question))

    async def _end(self, tale: _Tale) -> None:
        row = await self._manager.store.execution(tale.progress.execution)
        await tale.put("status", tale.progress.card(row))
        if tale.answer is not None:
            await tale.answer.finish(cards.result_card(row))
        await tale.letter.close(FiringStatus.STARTED)
