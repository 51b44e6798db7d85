"""Events on their way to the triggers that wait for them: each fires a trigger once.

What a step emits and what becomes of an execution stand in the log of the store, which a `Watch`
follows. What is sent from outside is routed by whoever sends it, before they are answered; where
they were killed in between, whoever watches finds it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..graphs.errors import (
    AssayError,
    ExecutionNotFound,
    FiringNotFound,
    InvalidInput,
    NotPossible,
    StateCorrupted,
    TriggerNotFound,
)
from ..graphs.event import Event, EventType
from ..graphs.execution import timestamp
from ..graphs.firing import Firing, Lane, lane_id
from ..graphs.listing import every
from ..graphs.records import micros, moment
from .burying import bury
from .events import LIFECYCLE, OWN, fits, lifecycle
from .place import WATCH
from .watch import Watch

if TYPE_CHECKING:
    from ..graphs.firing import Trigger
    from ..graphs.question import Signal
    from .desk import Desk

SWEEP = 30.0
"""Seconds between two looks for events that nobody has routed."""

TURN = 0.5
"""Seconds after which it is seen that it is this process that looks."""

OVERLAP = 60.0
"""Seconds by which such a look reaches back beyond the last one: clocks differ, and an event is
kept a moment after its time."""

LONGEST = 7 * 24 * 3600.0
"""Seconds that it reaches back at most: firings are known for longer than that."""

QUIET = 600.0
"""Seconds after which such a look is written down, though nothing was sent."""

SKEW = 1.0
"""Seconds by which an event may be older than the trigger that it fires."""

KIND = "event"
PAGE = 200
AT_ONCE = 16
KNOWN = 10_000

T = TypeVar("T")

_log = logging.getLogger("assay.triggers")


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as triggers hear it. `source` is the id of the execution that it is of, if any;
    `at` is seconds since 1970. `ours`: what became of that execution."""

    id: str
    name: str
    payload: Any
    at: float
    key: str | None = None
    source: str = ""
    ours: bool = False

    def attributes(self) -> dict[str, str]:
        """What conditions see of it beside the payload."""
        told = {"event": self.name, "id": self.id, "at": moment(int(self.at * 1e6))}
        if self.key is not None:
            told["key"] = self.key
        if self.source:
            told["source"] = self.source
        return told


@dataclass(frozen=True, slots=True)
class Behind:
    """What began an execution: the trigger, and all before it (`chain`); empty if none did.

    Not the firing itself, which may be large: thousands of them are kept.
    """

    trigger: str = ""
    chain: str = ""
    depth: int = 0

    @classmethod
    def of(cls, firing: Firing) -> Self:
        before = firing.attributes.get("chain") or firing.trigger
        return cls(firing.trigger, f"{before} > ", firing.depth + 1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trigger that waits for events, as its document says: what was checked when it was made
    is not checked for every event."""

    trigger: Trigger

    @property
    def own(self) -> bool:
        return bool(self.trigger.document.get("own"))

    @property
    def in_turn(self) -> bool:
        """Whether the order matters in which it is fired."""
        document = self.trigger.document
        parallel = document.get("overlap", "parallel") == "parallel"
        return not parallel or "debounce" in document or "throttle" in document

    def hears(self, heard: Heard) -> bool:
        made = self.trigger.created_at
        if made and heard.at + SKEW < micros(made) / 1e6:
            return False
        pattern = self.trigger.document.get("event")
        # Nobody else's event passes for what became of an execution.
        own_name = heard.name.startswith(OWN)
        return pattern is not None and own_name == heard.ours and fits(pattern, heard.name)


class Router:
    """Any number of processes may route the same events."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._store = desk, desk.store
        bus, types = desk.manager.services.bus, [*LIFECYCLE, EventType.EMITTED]
        self._watch = Watch(desk.store, bus, "events", types, self._happened, self._wanted)
        desk.making.append(self._making)
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._routed: OrderedDict[str, None] = OrderedDict()
        self._begun: OrderedDict[str, Behind] = OrderedDict()

    async def run(self) -> None:
        """Route until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._sweep())

    def look(self) -> None:
        """Triggers have changed."""
        self._watch.look()

    async def _making(self, trigger: Trigger) -> None:
        """What is emitted from now on is for it, also where nobody serves yet."""
        if trigger.type == KIND:
            await self._watch.mark()

    async def _wanted(self) -> bool:
        return bool((await self._store.triggers(type=KIND, limit=1)).items)

    async def sent(self, signal: Signal) -> None:
        """Route an event from outside that the store has kept: once this returns its firings
        are durable, too. What cannot be done now is done later."""
        try:
            await self._route([_from_outside(signal)])
        except AssayError as error:
            _log.warning("the event %s is routed later: %s", signal.id, error.message)
        else:
            _remember(self._routed, signal.id, None)

    async def _happened(self, events: Sequence[Event]) -> None:
        await self._route([_of_execution(event) for event in events])

    async def _sweep(self) -> None:
        while True:
            if not self._watch.reads:  # then another process does both
                await asyncio.sleep(TURN)
                continue
            try:
                await self._look()
            except AssayError as error:
                _log.warning("events that were sent are looked for later: %s", error.message)
            await asyncio.sleep(SWEEP)

    async def _look(self) -> None:
        """Route what was sent and not routed, since somebody last looked."""
        began, id = time.time(), lane_id(WATCH, "sent")
        lane = await self._store.lane(id)
        last = 0.0 if lane is None else float(lane.document["at"])
        # A clock that was put back does not keep it from looking.
        since = max(min(last, began), began - LONGEST) - OVERLAP
        after: Signal | None = None
        while page := await self._store.sent(since=since, after=after, limit=PAGE):
            after = page[-1]
            missed = [s for s in page if not s.source and s.id not in self._routed]
            await self._route([_from_outside(signal) for signal in missed])
            for signal in missed:
                _remember(self._routed, signal.id, None)
        if after is None and 0 <= began - last < QUIET:
            return
        revision = 0 if lane is None else lane.revision + 1
        # When another process was first, what it has written does as well.
        document = {"name": "sent", "at": began}
        await self._store.put_lane(
            Lane(id, WATCH, timestamp(), document, lasting=True, revision=revision)
        )

    async def _route(self, heard: Sequence[Heard]) -> None:
        """Raises `StoreUnavailable`."""
        if not heard:
            return
        # Read anew each time: whatever came after a trigger was made finds it.
        wanted = [
            (waiting, those)
            async for waiting in self._waiting()
            if (those := [each for each in heard if waiting.hears(each)])
        ]
        await _all([self._row(waiting, those) for waiting, those in wanted])

    async def _waiting(self) -> AsyncIterator[Waiting]:
        async for trigger in every(self._store.triggers, type=KIND):
            if trigger.enabled:
                yield Waiting(trigger)

    async def _row(self, waiting: Waiting, heard: Sequence[Heard]) -> None:
        if not waiting.in_turn:
            await _all([self._fire(waiting, each) for each in heard])
            return
        for each in heard:
            await self._fire(waiting, each)

    async def _fire(self, waiting: Waiting, heard: Heard) -> None:
        async with self._limit:
            try:
                await self._fired(waiting, heard)
            except (NotPossible, TriggerNotFound, ExecutionNotFound):
                return  # switched off or deleted meanwhile
            except StateCorrupted as error:
                # It stays so, and must not keep what comes after it waiting.
                _log.error("%s is not fired: %s", waiting.trigger.id, error.message)

    async def _fired(self, waiting: Waiting, heard: Heard) -> None:
        trigger, behind = waiting.trigger, await self._behind(heard.source)
        if heard.ours and behind.trigger == trigger.id and not waiting.own:
            return
        about = {**heard.attributes(), "chain": f"{behind.chain}{trigger.id}"}
        fire = partial(self._desk.fire, trigger, id=heard.id, depth=behind.depth)
        payload = await self._life(heard) if heard.ours else heard.payload
        try:
            await fire(payload, attributes=about)
        except InvalidInput as error:
            if heard.ours:  # what it gave may be too large, that it ended is not
                await fire({**payload, "outputs": {}}, attributes={**about, "outputs": "left out"})
                return
            why = f"the event {heard.name!r} was not taken: {error.message}"
            await bury(self._desk, trigger, why, attributes=about, id=heard.id, depth=behind.depth)

    async def _life(self, heard: Heard) -> dict[str, Any]:
        execution = await self._store.execution(heard.source)
        ended = heard.payload in ("completed", "failed", "cancelled")
        told = {
            "execution_id": execution.id,
            "workflow": execution.workflow,
            "version": execution.version,
            "status": heard.payload,
            "outputs": dict(execution.outputs) if ended else {},
            "error": execution.error.to_dict() if ended and execution.error else None,
        }
        masked: dict[str, Any] = self._desk.manager.services.secrets.masked(told)
        return masked

    async def _behind(self, source: str) -> Behind:
        """Kept: what began an execution never changes."""
        if not source:
            return Behind()
        known = self._begun.get(source)
        if known is None:
            known = Behind()
            # Either may have been forgotten by now.
            with suppress(ExecutionNotFound, FiringNotFound):
                if id := (await self._store.execution(source)).firing:
                    known = Behind.of(await self._store.firing(id))
            _remember(self._begun, source, known)
        return known


def _from_outside(signal: Signal) -> Heard:
    return Heard(signal.id, signal.name, signal.payload, signal.at, signal.key)


def _of_execution(event: Event) -> Heard:
    id, at = event.execution_id, micros(event.at) / 1e6
    if event.type is EventType.EMITTED:
        data = event.data
        return Heard(data["id"], data["event"], data["payload"], at, data.get("key"), id)
    status = _STATUS.get(event.type, LIFECYCLE[event.type])
    return Heard(f"{id}/{event.seq}", lifecycle(event.type), status, at, source=id, ours=True)


_STATUS = {EventType.EXECUTION_STARTED: "running"}


def _remember(known: OrderedDict[str, T], id: str, thing: T) -> None:
    known[id] = thing
    if len(known) > KNOWN:
        known.popitem(last=False)


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of it, whatever becomes of one; then raises what the first raised."""
    for failed in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(failed, BaseException):
            raise failed
