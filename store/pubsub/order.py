"""Gives events on in the order of `seq`, each once, however often and in whatever order they
arrive."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ...graphs.event import Event

PATIENCE = 0.3
"""Seconds that an event waits for those before it. Pub/Sub keeps the order of one sender; only
what two workers sent around a takeover may be mixed up."""

KNOWN = 10_000
"""Executions, and live events, that are remembered."""

HELD = 1_000
"""Events that wait for others, of all executions together."""


@dataclass(slots=True)
class _Place:
    """How far an execution is: the last `seq` given on (None: nothing yet), and what waits."""

    last: int | None = None
    held: dict[int, Event] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Order:
    """Live events pass at once; they are told apart by the id of their letters."""

    def __init__(self, give: Callable[[Event], None], patience: float = PATIENCE) -> None:
        self._give = give
        self._patience = patience
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._live: OrderedDict[str, None] = OrderedDict()
        self._held = 0

    def passed(self, event: Event) -> None:
        """The event was heard here already: this process published it."""
        if event.seq:
            place = self._place(event.execution_id)
            if place.last is None or event.seq > place.last:
                place.last = event.seq
                self._catch_up(place)

    def take(self, event: Event, letter_id: str) -> None:
        """Give the event on, now or when those before it are there, or drop a second copy."""
        if not event.seq:
            if letter_id not in self._live:
                self._live[letter_id] = None
                if len(self._live) > KNOWN:
                    self._live.popitem(last=False)
                self._give(event)
            return
        place = self._place(event.execution_id)
        if (place.last is not None and event.seq <= place.last) or event.seq in place.held:
            return
        place.held[event.seq] = event
        self._held += 1
        self._catch_up(place)
        if place.held and place.timer is None:
            loop = asyncio.get_running_loop()
            place.timer = loop.call_later(self._patience, self._give_up, place)
        while self._held > HELD:
            self._give_up(next(p for p in self._places.values() if p.held))

    def close(self) -> None:
        """Give nothing on any more."""
        for place in self._places.values():
            if place.timer is not None:
                place.timer.cancel()
        self._places.clear()

    def _place(self, execution_id: str) -> _Place:
        place = self._places.get(execution_id)
        if place is None:
            place = self._places[execution_id] = _Place()
            if len(self._places) > KNOWN:
                self._give_up(self._places.popitem(last=False)[1])
        else:
            self._places.move_to_end(execution_id)
        return place

    def _catch_up(self, place: _Place) -> None:
        """Give on what waits no more. An execution's first event has nothing before it."""
        following = 1 if place.last is None else place.last + 1
        while following in place.held:
            self._hand_over(place, following)
            following += 1
        for seq in [seq for seq in place.held if seq < following]:
            del place.held[seq]
            self._held -= 1
        if not place.held and place.timer is not None:
            place.timer.cancel()
            place.timer = None

    def _give_up(self, place: _Place) -> None:
        """Give on all that waits: what is missing can be read from the store."""
        for seq in sorted(place.held):
            self._hand_over(place, seq)
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None

    def _hand_over(self, place: _Place, seq: int) -> None:
        place.last = seq
        self._held -= 1
        self._give(place.held.pop(seq))
