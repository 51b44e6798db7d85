"""The events of all executions as they are committed: none lost, none twice, each one's in order.

The store's log is the truth and the buffer. One reader in this process keeps up with its end for
everybody; who has fallen behind what is held here reads the store until they have caught up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, unquote
from weakref import WeakKeyDictionary

from ..graphs.errors import ExecutionNotFound, InvalidInput, StoreUnavailable
from ..graphs.event import Event, EventType
from ..graphs.fold import events as events_of

if TYPE_CHECKING:
    from ..graphs.manager import Manager
    from ..graphs.ports import EventBus, Store
    from ..graphs.stored import Logged

T = TypeVar("T")

HELD = 10_000
"""Events that are held for everybody; those of one entry of the log at least."""

PAGE = 50
"""Entries that one listener is given at once, and holds while it takes its time over them."""

_READ = 200
"""Entries that are read at once for everybody."""

_AWAY = 0.5
"""Seconds until a store that is away is asked again."""

_LATELY = 1000
"""Executions of which one listener knows what it was told last."""

_KNOWN = 10_000
"""Executions whose workflow is remembered."""


class Placed(NamedTuple):
    """An event, and the cursor after which the next one comes."""

    event: Event
    cursor: str


@dataclass(frozen=True, slots=True)
class Where:
    """Which events are wanted: of workflows that match a pattern, of some types."""

    workflow: str = "*"
    types: frozenset[EventType] = frozenset()

    @classmethod
    def of(cls, workflow: str | None = None, types: Sequence[str] = ()) -> Where:
        """Raises `InvalidInput` for what is no type that is kept."""
        for type in types:
            if type not in list(EventType) or EventType(type).live:
                kept = ", ".join(each for each in EventType if not each.live)
                raise InvalidInput(f"{type!r} is no type of event that is kept; there are: {kept}")
        return cls(workflow or "*", frozenset(map(EventType, types)))


async def events_of_all(
    manager: Manager,
    where: Where | None = None,
    *,
    after: str | None = None,
    visible: Callable[[str], bool] = lambda _: True,
    reached: Callable[[str], None] = lambda _: None,
) -> AsyncGenerator[Placed]:
    """Every durable event after that cursor (None: from now on; empty: all there are), for ever.

    `visible` says by its name whether a workflow is there at all for who listens; `reached` is
    told the cursor up to which nothing more is wanted. Raises `InvalidInput` for what is no cursor.
    """
    feed, where = _feed(manager), where or Where()
    if after is None:
        after = await manager.store.log_end()
        reached(after)  # who is cut off before anything has happened misses nothing either
    async with contextlib.aclosing(feed.listen(after)) as told:
        async for placed in told:
            event = placed.event
            if not where.types or event.type in where.types:
                workflow = await feed.workflow(event.execution_id)
                wanted = workflow is not None and fnmatchcase(workflow, where.workflow)
                if wanted and visible(workflow or ""):
                    yield placed
            reached(placed.cursor)


async def cursor_of(manager: Manager, after: str | None) -> str:
    """The cursor itself, or that of now. Raises `InvalidInput` for what is none."""
    if after is None:
        return await manager.store.log_end()
    before, _ = _parsed(after)
    await manager.store.log(after=before, limit=1)
    return after


class _Told(NamedTuple):
    """An entry of the log as events; `before` is the cursor of whoever has yet to be told it."""

    before: str
    cursor: str
    events: Sequence[Event]


class Feed:
    """What listeners of one store share."""

    def __init__(self, store: Store, bus: EventBus) -> None:
        self._store = store
        self._bus = bus
        self._held: deque[_Told] = deque()
        self._count = 0
        self._first = 0
        self._at: dict[str, int] = {}
        """The number of the entry behind a cursor, counted since the reader began."""
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._listeners = 0
        self._workflows: OrderedDict[str, str] = OrderedDict()

    async def listen(self, after: str | None) -> AsyncGenerator[Placed]:
        cursor, seen = _parsed(after)
        # A store may tell an entry again that it had told too soon to be sure of all before it.
        last: OrderedDict[str, int] = OrderedDict()
        async with self._reader():
            if after is None:
                cursor = await self._store.log_end()
            while True:
                news = self._news
                page = self._page(cursor)
                if page is None:
                    page = _told(cursor, await self._log(cursor, PAGE))
                for told in page:
                    for event in told.events:
                        id, seq = event.execution_id, event.seq
                        if seq <= last.get(id, seen[1] if id == seen[0] else 0):
                            continue
                        last[id] = seq
                        last.move_to_end(id)
                        if len(last) > _LATELY:
                            last.popitem(last=False)
                        yield Placed(event, _cursor(told, event))
                    cursor, seen = told.cursor, ("", 0)
                if not page:
                    await self._hear(news)

    async def workflow(self, execution_id: str) -> str | None:
        """The name of an execution's workflow; None when it was deleted."""
        known = self._workflows.get(execution_id)
        if known is None:
            try:
                known = (await self._store.execution(execution_id)).workflow
            except ExecutionNotFound:
                return None
            self._workflows[execution_id] = known
            if len(self._workflows) > _KNOWN:
                self._workflows.popitem(last=False)
        return known

    def _page(self, cursor: str) -> list[_Told] | None:
        """What is held behind the cursor; None when that is not all there is."""
        number = self._at.get(cursor)
        if number is None:
            return None
        start = number - self._first
        # By index: most listeners are near the end, which a slice would walk up to.
        return [self._held[at] for at in range(start, min(start + PAGE, len(self._held)))]

    async def _hear(self, news: asyncio.Event) -> None:
        """Wait for more. Raises what the reader failed with."""
        assert self._reading is not None
        hearing = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait((hearing, self._reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hearing.cancel()
        if self._reading.done():
            self._reading.result()

    @contextlib.asynccontextmanager
    async def _reader(self) -> AsyncIterator[None]:
        """While anybody listens, one reader reads."""
        self._listeners += 1
        if self._reading is None or self._reading.done():
            # At once, or whoever listens would take for all there is what an earlier reader held.
            self._held.clear()
            self._count = 0
            self._at.clear()
            self._first = 0
            self._reading = asyncio.ensure_future(self._read())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    async def _read(self) -> None:
        bell = asyncio.Event()
        heard = self._bus.here()
        pumping = asyncio.ensure_future(_pump(heard, bell))
        try:
            cursor = await self._patiently(self._store.log_end)
            self._at[cursor] = 0
            while True:
                rung = bell.is_set()
                bell.clear()
                page = _told(cursor, await self._patiently(partial(self._log, cursor, _READ)))
                for told in page:
                    self._hold(told)
                    cursor = told.cursor
                if page:
                    self._news.set()
                    self._news = asyncio.Event()
                elif rung and self._store.pace.late:
                    # It is told a little later, or what was rung for was read before.
                    await asyncio.sleep(self._store.pace.late)
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._store.pace.listen):
                            await bell.wait()
        finally:
            pumping.cancel()

    def _hold(self, told: _Told) -> None:
        self._held.append(told)
        self._count += len(told.events)
        self._at[told.cursor] = self._first + len(self._held)
        while self._count > HELD and len(self._held) > 1:
            oldest = self._held.popleft()
            del self._at[oldest.before]
            self._count -= len(oldest.events)
            self._first += 1

    async def _log(self, after: str, limit: int) -> Sequence[Logged]:
        return await self._store.log(after=after, limit=limit)

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Whoever has heard all there was need not know that the store is away."""
        while True:
            try:
                return await read()
            except StoreUnavailable:
                await asyncio.sleep(_AWAY)


def _feed(manager: Manager) -> Feed:
    feed = _FEEDS.get(manager)
    if feed is None:
        feed = _FEEDS[manager] = Feed(manager.store, manager.services.bus)
    return feed


_FEEDS: WeakKeyDictionary[Manager, Feed] = WeakKeyDictionary()


def _told(before: str, page: Sequence[Logged]) -> list[_Told]:
    found = []
    for each in page:
        events = tuple(events_of(each.entry, each.execution_id))
        found.append(_Told(before, each.cursor, events))
        before = each.cursor
    return found


def _cursor(told: _Told, event: Event) -> str:
    """Behind the last event of an entry it is the entry's own."""
    if event is told.events[-1]:
        return told.cursor
    return f"{told.before}|{quote(event.execution_id, safe='')}|{event.seq}"


def _parsed(cursor: str | None) -> tuple[str, tuple[str, int]]:
    """The cursor of the log, and which event of the entry behind it was told last."""
    if cursor is None or "|" not in cursor:
        return cursor or "", ("", 0)
    before, _, rest = cursor.partition("|")
    id, _, seq = rest.partition("|")
    if not (id and seq.isascii() and seq.isdigit() and len(seq) < 19):
        raise InvalidInput(f"{cursor!r} is no cursor of a stream; begin without one.")
    return before, (unquote(id), int(seq))


async def _pump(heard: AsyncIterator[Event], bell: asyncio.Event) -> None:
    async for event in heard:
        if event.seq:
            bell.set()
