"""The event bus over Pub/Sub: what one process says, every process hears."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from typing import Any
from weakref import WeakSet

from ...graphs.event import Event
from ..bus import LocalBus, Subscription, Told
from .client import Client, Received
from .doorbell import Rings
from .ear import LINGER, Attention, Ear
from .envelope import (
    Letter,
    Unreadable,
    bury,
    read_control,
    read_event,
    seal_control,
    seal_event,
    seal_ring,
)
from .names import CONTROL, DEAD, EVENTS, TOPICS, WORK
from .order import KNOWN, Order
from .outbox import Outbox

FLUSH = 5.0
"""Seconds that closing waits for what is not sent yet."""

HEARS = 5.0
"""Seconds that a new listener waits until it hears other processes."""


class PubSubBus:
    """The `EventBus` port for many processes, with a doorbell and a control topic.

    Listeners here hear at once what is published here. Others hear it as long as Pub/Sub is
    there: durable events in order and once, live ones as they come. Nothing waits for Pub/Sub:
    while it is away a bounded number of messages is kept, and sent when it is back.
    """

    patience = 5.0

    def __init__(self, client: Client, linger: float = LINGER) -> None:
        """Use `open`."""
        self.origin = f"p{secrets.token_hex(8)}"
        self._client = client
        self._local, self._own = LocalBus(), LocalBus()
        # One each: what a topic cannot take for now holds up no other.
        self._outboxes = {topic: self._outbox(topic) for topic in TOPICS}
        self._order = Order(lambda event: self._local.publish([event]))
        events = Ear(client, EVENTS, self.origin, self._hear_event)
        self._events = Attention(events, self._local.listened, linger)
        self._control = Ear(client, CONTROL, self.origin, self._hear_control)
        self._told: WeakSet[Told[Mapping[str, Any]]] = WeakSet()
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._rings: WeakSet[Rings] = WeakSet()
        self._number = count(1)
        self._closed = False

    @classmethod
    async def open(cls, project: str, *, linger: float = LINGER) -> PubSubBus:
        """Join the project's bus. Events of others are fetched only while somebody listens
        here, and `linger` seconds longer at most.

        Raises `ConfigurationError` without credentials, `StoreError` when a topic or a
        permission is missing, `StoreUnavailable` when Pub/Sub cannot be reached.
        """
        bus = cls(await Client.open(project), linger)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(bus.close)
            await bus._control.open()
            undo.pop_all()
        return bus

    @property
    def away(self) -> str:
        """Why other processes are not heard for now; empty while they are."""
        return "the bus is closed" if self._closed else self._control.away

    def publish(self, events: Sequence[Event]) -> None:
        self._local.publish(events)
        self._own.publish(events)
        if self._closed:
            return
        for event in events:
            self._order.passed(event)
            self._put(EVENTS, partial(seal_event, event), live=event.type.live)

    def wanted(self, execution_id: str) -> bool:
        """Always: another process may listen, and nobody knows."""
        return not self._closed or self._local.wanted(execution_id) or self._own.listened()

    def subscribe(self, execution_id: str | None = None) -> Subscription:
        subscription = self._local.subscribe(execution_id)
        if not self._closed:
            self._events.begin()
        return subscription

    def here(self) -> Subscription:
        return self._own.subscribe()

    async def hears(self, seconds: float = HEARS) -> bool:
        return self._closed or await self._events.hears(seconds)

    def ring(self, execution_id: str) -> None:
        """Ask any one worker to look at the execution; returns at once."""
        if not self._closed:
            self._put(WORK, partial(seal_ring, execution_id))

    def rings(self) -> Rings:
        """Ids of executions to look at. Each ring is heard by one worker, now and then by two."""
        rings = Rings(self._client, self._bury)
        self._rings.add(rings)
        return rings

    def tell(self, message: Mapping[str, Any]) -> None:
        """Say something, as JSON can, to every process, this one included; returns at once."""
        for listener in self._told:
            listener.offer(message)
        if not self._closed:
            self._put(CONTROL, partial(seal_control, message))

    def told(self) -> Told[Mapping[str, Any]]:
        """Control messages from now on; `aclose` ends it."""
        listener: Told[Mapping[str, Any]] = Told()
        self._told.add(listener)
        return listener

    async def flush(self, seconds: float = FLUSH) -> bool:
        """Wait until all is sent, that long at most; whether it is."""
        sent = [outbox.flush(seconds) for outbox in self._outboxes.values()]
        return all(await asyncio.gather(*sent))

    async def close(self) -> None:
        """Send what is pending, and leave the bus. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        for rings in list(self._rings):
            await rings.aclose()
        await self.flush()
        await asyncio.gather(*(outbox.close() for outbox in self._outboxes.values()))
        await asyncio.gather(self._events.close(), self._control.close())
        self._order.close()
        await self._client.close()

    def _outbox(self, topic: str) -> Outbox:
        def say(error: Exception) -> str:
            doing = f"take messages for {topic}"
            return self._client.problem(error, doing, "pubsub.topics.publish").message

        return Outbox(partial(self._client.publish, topic), say)

    def _put(self, topic: str, seal: Callable[[str, int], Letter], *, live: bool = False) -> None:
        try:
            letter = seal(self.origin, next(self._number))
        except TypeError as error:  # text that is no Unicode, for one
            self._outboxes[topic].lose(f"a message for {topic} is no JSON: {error}")
        else:
            self._outboxes[topic].put(letter, live=live)

    def _hear_event(self, received: Received) -> None:
        letter = received.letter
        if letter.origin == self.origin:
            return
        try:
            event = read_event(letter)
        except Unreadable as reason:
            self._bury(received, EVENTS, reason)
        else:
            self._order.take(event, letter.id)

    def _hear_control(self, received: Received) -> None:
        letter = received.letter
        if letter.origin == self.origin or letter.id in self._heard:
            return
        try:
            message = read_control(letter)
        except Unreadable as reason:
            self._bury(received, CONTROL, reason)
            return
        self._heard[letter.id] = None
        if len(self._heard) > KNOWN:
            self._heard.popitem(last=False)
        for listener in self._told:
            listener.offer(message)

    def _bury(self, received: Received, topic: str, reason: Unreadable) -> None:
        letter = bury(received.letter, str(reason), topic, received.message_id)
        self._outboxes[DEAD].put(letter)
