"""Carries events to the listeners in this process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..graphs.event import Event

T = TypeVar("T")

CAPACITY = 1000
"""How many events a subscription holds for a listener that is slow."""


class LocalBus:
    """The `EventBus` port within one event loop. Publishing never waits for a listener.

    For a listener that falls behind by `capacity` events, further live ones are dropped, and
    durable ones push out the oldest: the last is always delivered. A gap shows in `seq`;
    what is missing can be read from the store.
    """

    patience = 0.0

    away = ""
    """Why other processes are not heard: never, for there are none."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        # Weak: a listener that just stops listening need not say so.
        self._listeners: dict[str | None, WeakSet[Subscription]] = {}
        self._told: WeakSet[Told[Mapping[str, Any]]] = WeakSet()

    def publish(self, events: Sequence[Event]) -> None:
        if not self._listeners:
            return
        for event in events:
            for topic in (event.execution_id, None):
                for subscription in self._listeners.get(topic, ()):
                    subscription.offer(event)

    def wanted(self, execution_id: str) -> bool:
        return bool(self._listeners.get(execution_id) or self._listeners.get(None))

    def listened(self) -> bool:
        """Whether anybody listens to anything."""
        return any(not each.closed for listeners in self._listeners.values() for each in listeners)

    def here(self) -> Subscription:
        return self.subscribe()

    async def hears(self, seconds: float = 0) -> bool:
        return True

    def tell(self, message: Mapping[str, Any]) -> None:
        for listener in self._told:
            listener.offer(message)

    def told(self) -> Told[Mapping[str, Any]]:
        listener: Told[Mapping[str, Any]] = Told()
        self._told.add(listener)
        return listener

    def ring(self, execution_id: str) -> None:
        """Who is alone in the process needs no doorbell: nobody else can hear it."""

    def rings(self) -> Told[str]:
        return Told()

    def subscribe(self, execution_id: str | None = None) -> Subscription:
        """Events of that execution, or of all, from now on; `aclose` ends it."""
        for topic in [t for t, listeners in self._listeners.items() if not listeners]:
            del self._listeners[topic]
        subscription = Subscription(self._capacity)
        self._listeners.setdefault(execution_id, WeakSet()).add(subscription)
        return subscription


class Told(Generic[T]):
    """An asynchronous iterator over what is offered to it, for one reader."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Of more than `capacity` that wait for the reader the oldest are dropped."""
        self._waiting: deque[T] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()
        self._closed = False

    def offer(self, thing: T) -> None:
        if not self._closed:
            self._waiting.append(thing)
            self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Take nothing more, and end the iteration."""
        self._closed = True
        self._waiting.clear()
        self._arrived.set()


class Subscription:
    """An asynchronous iterator over events, for one reader. It ends when it is closed."""

    def __init__(self, capacity: int) -> None:
        self._events: deque[Event] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """It takes nothing any more."""
        return self._closed

    def offer(self, event: Event) -> None:
        """Hold the event for the reader, if there is room or it is durable."""
        if self._closed or (event.type.live and len(self._events) == self._events.maxlen):
            return
        self._events.append(event)
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    async def aclose(self) -> None:
        """Take no further event, and end the iteration."""
        self._closed = True
        self._events.clear()
        self._arrived.set()
