"""The events of an execution as they happen: none lost, none twice, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING

from ..graphs.event import Event, EventType

if TYPE_CHECKING:
    from ..graphs.manager import Manager

LAST = frozenset(
    {
        EventType.EXECUTION_COMPLETED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
    }
)
"""After one of these nothing more is said."""

HELD = 1000
"""Live events of steps whose start is still to come, and steps that have ended, held at most."""

POLL = 0.25
"""Seconds between looks at an execution that may be driven by another process."""


async def follow(
    manager: Manager,
    execution_id: str,
    *,
    after: int = 0,
    heard: AsyncIterator[Event] | None = None,
) -> AsyncGenerator[Event]:
    """Every durable event that comes after that one, the live ones of this process in between.

    `heard` is a subscription from before the execution went on: live events are told once, so
    who subscribes later misses what a step says at first. Ends with the execution. What the
    bus drops for a slow reader, or never hears because another process says it, is read from
    the store.
    """
    # First listen, then read: what happens in between arrives twice, and is told once.
    live = heard or manager.follow(execution_id)
    order, known = Order(after), False
    if after and await _over(manager, execution_id, after):
        return
    poll = max(POLL, manager.store.pace.listen)
    upcoming = None if heard is None else asyncio.ensure_future(_anext(live))
    try:
        while not order.ended:
            event = None
            if upcoming is not None:
                await asyncio.wait((upcoming,), timeout=poll)
                event = upcoming.result() if upcoming.done() else None
                if event is not None and event.execution_id != execution_id:
                    upcoming = asyncio.ensure_future(_anext(live))
                    continue
            if event is None or event.seq > order.seen + 1:
                async for missed in manager.events(execution_id, after=order.seen):
                    for told in order.next(missed):
                        yield told
            if event is not None:
                if after and not known and order.early(event):
                    known = True
                    async for past in manager.events(execution_id):
                        if past.seq > after:
                            break
                        order.past(past)
                for told in order.next(event):
                    yield told
            if upcoming is None or event is not None:
                upcoming = asyncio.ensure_future(_anext(live))
    finally:
        if upcoming is not None:
            upcoming.cancel()


async def _over(manager: Manager, execution_id: str, after: int) -> bool:
    """Whether it has ended with nothing left to tell."""
    if not (await manager.store.execution(execution_id)).status.terminal:
        return False
    async for _ in manager.events(execution_id, after=after):
        return False
    return True


class Order:
    """Puts events in order: durable ones by `seq`, each once, a step's live ones after its start.

    A start may become durable a little after the step has begun to speak.
    """

    def __init__(self, after: int = 0) -> None:
        self.seen = after
        self.ended = False
        self._started: set[str] = set()
        self._over: deque[str] = deque()
        self._early: dict[str, list[Event]] = {}
        self._held = 0

    def early(self, event: Event) -> bool:
        """Whether it is said by a step of whose start nothing is known."""
        return not event.seq and bool(event.path) and event.path not in self._started

    def past(self, event: Event) -> None:
        """What the reader knows already."""
        if event.path:
            self._note(event)

    def next(self, event: Event) -> Iterator[Event]:
        """The events to tell now that this one has come."""
        if self.early(event):
            if self._held < HELD:
                self._held += 1
                self._early.setdefault(event.path, []).append(event)
        elif not event.seq:
            yield event
        elif event.seq > self.seen:
            self.seen = event.seq
            self.ended = event.type in LAST
            yield event
            if event.path:
                self._note(event)
                early = self._early.pop(event.path, ())
                self._held -= len(early)
                yield from early

    @property
    def remembered(self) -> int:
        """How many steps it keeps in mind."""
        return len(self._started)

    def _note(self, event: Event) -> None:
        self._started.add(event.path)
        if event.type in _OVER:
            # What comes late is told all the same, but not for ever.
            self._over.append(event.path)
            if len(self._over) == HELD:
                self._started.discard(self._over.popleft())


_OVER = frozenset(
    {
        EventType.STEP_COMPLETED,
        EventType.STEP_FAILED,
        EventType.STEP_SKIPPED,
        EventType.STEP_CANCELLED,
    }
)


async def _anext(events: AsyncIterator[Event]) -> Event:
    return await anext(events)
