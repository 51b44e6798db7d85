"""The triggers of a server, which deals with their firings itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...graphs.errors import FiringNotFound
from ...graphs.firing import FiringStatus
from .local_triggers import WHOLE
from .lookup import MANY, only

if TYPE_CHECKING:
    from ...graphs.firing import Firing, Trigger
    from ..client.client import Client
    from ..triggers import Timed

_LOOK = 0.3
"""Seconds between two looks at a firing of which something is to come."""


class RemoteTriggers:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def triggers(self, workflow: str | None, type: str | None) -> AsyncGenerator[Trigger]:
        # A server lists by one of both.
        named = None if workflow is not None else type
        async with aclosing(self._client.triggers(workflow=workflow, type=named)) as found:
            async for trigger in found:
                if type in (None, trigger.type):
                    yield trigger

    async def trigger(self, id: str) -> Trigger:
        return await self._client.trigger(id)

    def firings(self, trigger: str | None, status: str | None) -> AsyncGenerator[Firing]:
        return self._client.firings(trigger=trigger, status=status)

    async def firing(self, id: str) -> Firing:
        if len(id) != WHOLE:
            found = []
            async with aclosing(self._client.firings()) as newest:
                async for each in newest:
                    found.append(each.id)
                    if len(found) == MANY:
                        break
            id = only("firing", id, found) or _lost(id)
        return await self._client.firing(id)

    def schedules(self, count: int) -> AsyncGenerator[Timed]:
        return self._client.schedules(count=count)

    async def backfill(self, id: str, start: datetime, end: datetime) -> Sequence[Firing]:
        return await self._client.backfill(id, start, end)

    async def create_trigger(
        self, workflow: str, document: Mapping[str, Any], version: str | None
    ) -> Trigger:
        return await self._client.create_trigger(workflow, document, version=version)

    async def enable_trigger(self, id: str, enabled: bool) -> Trigger:
        return await self._client.set_trigger_enabled(id, enabled)

    async def delete_trigger(self, id: str) -> None:
        await self._client.delete_trigger(id)

    async def fire(
        self, id: str, payload: Any, attributes: Mapping[str, str], key: str | None
    ) -> Firing:
        return await self._client.fire_trigger(id, payload, attributes=attributes, key=key)

    async def deal(self, firing: Firing, waits: Callable[[], None]) -> Firing:
        told = False
        while True:
            if firing.status is FiringStatus.MERGED:
                firing = await self._client.firing(firing.into)
            elif not firing.status.open:
                return firing
            if firing.status is FiringStatus.WAITING and not told:
                told = True
                waits()
            await asyncio.sleep(_LOOK)
            firing = await self._client.firing(firing.id)

    async def replay(self, id: str) -> Firing:
        return await self._client.replay_firing(id)


def _lost(given: str) -> str:
    raise FiringNotFound(f"no firing {given!r} is among the last {MANY:,} there; give the whole id")
