"""Messages of a topic become firings: acknowledged once they are durable, and not before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graphs.errors import InvalidInput, StoreUnavailable
from .burying import bury
from .cloudevents import Unreadable, event_id, read

if TYPE_CHECKING:
    from ..graphs.firing import Trigger
    from ..graphs.topics import Delivery, Inlet
    from ..graphs.trigger import Fire
    from .desk import Desk
    from .events import EventTrigger

PATIENCE = (0.5, 30.0)
"""Seconds until messages are taken again that the store could not: first and longest."""

_log = logging.getLogger("assay.triggers")


class Messages:
    """Takes the messages of one trigger's topic."""

    def __init__(
        self, inlet: Inlet, trigger: Trigger, spec: EventTrigger, fire: Fire, desk: Desk
    ) -> None:
        self._inlet = inlet
        self._trigger, self._spec = trigger, spec
        self._fire, self._desk = fire, desk

    async def run(self) -> None:
        """Until cancelled; raises what `fire` does when the trigger is not there any more."""
        delay, longest = PATIENCE
        while True:
            if await self._page(await self._inlet.pull()):
                delay = PATIENCE[0]
            else:
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)

    async def _page(self, page: Sequence[Delivery]) -> bool:
        """Whether all of them could be taken. Those of one key are taken one after the other."""
        rows: dict[str, list[Delivery]] = {}
        for delivery in page:
            rows.setdefault(delivery.key or f"\0{delivery.receipt}", []).append(delivery)
        taken: list[Delivery] = []
        try:
            async with asyncio.TaskGroup() as group:
                for row in rows.values():
                    group.create_task(self._row(row, taken))
        except* Exception as errors:
            raise errors.exceptions[0] from None
        finally:
            done = {id(delivery) for delivery in taken}
            await self._inlet.settle(taken, [d for d in page if id(d) not in done])
        return len(taken) == len(page)

    async def _row(self, row: Sequence[Delivery], taken: list[Delivery]) -> None:
        for delivery in row:
            try:
                await self._take(delivery)
            except StoreUnavailable as error:
                _log.warning("%s: its messages wait: %s", self._trigger.id, error.message)
                return
            taken.append(delivery)

    async def _take(self, delivery: Delivery) -> None:
        topic, event = self._spec.topic, self._spec.event
        told = {"topic": str(topic), "id": delivery.id}
        if delivery.key:
            told["key"] = delivery.key
        id = event_id(str(topic), delivery.id)
        try:
            came = read(delivery.data, delivery.attributes)
            if came.id is not None:
                id = event_id("", came.id)
            attributes = {**came.attributes, **told}
            await self._fire(came.payload, attributes=attributes, id=id)
            if event is not None:
                await self._desk.manager.send_event(
                    event, came.payload, key=delivery.key or None, id=id
                )
        except (Unreadable, InvalidInput) as error:
            # Delivered again it would be no better, for ever.
            why = f"the message {delivery.id} of the topic {topic} was not taken: {error}"
            await bury(self._desk, self._trigger, why, id=id, attributes=told)
