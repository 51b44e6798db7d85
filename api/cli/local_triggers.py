"""The triggers of the store of this machine, and what comes of their firings here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...graphs.errors import FiringNotFound
from ...graphs.firing import FiringStatus
from ...graphs.listing import every
from .lookup import MANY, only

if TYPE_CHECKING:
    from ...graphs.firing import Firing, Trigger
    from ...graphs.ports import Store
    from ..app import App
    from ..triggers import Timed

WHOLE = 32
"""Characters of the id of a firing."""


class LocalTriggerRecords:
    """A store alone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def triggers(self, workflow: str | None, type: str | None) -> AsyncGenerator[Trigger]:
        # A store lists by one of both.
        named = None if workflow is not None else type
        async for trigger in every(self._store.triggers, workflow=workflow, type=named):
            if type in (None, trigger.type):
                yield trigger

    async def trigger(self, id: str) -> Trigger:
        return await self._store.trigger(id)

    def firings(self, trigger: str | None, status: str | None) -> AsyncGenerator[Firing]:
        wanted = None if status is None else FiringStatus(status)
        return every(self._store.firings, trigger=trigger, status=wanted)

    async def firing(self, id: str) -> Firing:
        if len(id) != WHOLE:
            newest = await self._store.firings(limit=MANY)
            id = only("firing", id, [each.id for each in newest.items]) or _lost(id)
        return await self._store.firing(id)


class LocalTriggers(LocalTriggerRecords):
    """An app, by which they fire."""

    _app: App
    me: str

    async def schedules(self, count: int) -> AsyncGenerator[Timed]:
        from ..triggers import timed

        async for trigger in self.triggers(None, "cron"):
            yield await timed(self._app.triggers.desk, trigger, count)

    async def backfill(self, id: str, start: datetime, end: datetime) -> Sequence[Firing]:
        from ...triggers.clock import backfill

        trigger = await self._store.trigger(id)
        desk = self._app.triggers.desk
        return await backfill(desk, trigger, start.timestamp(), end.timestamp(), by=self.me)

    async def create_trigger(
        self, workflow: str, document: Mapping[str, Any], version: str | None
    ) -> Trigger:
        desk = self._app.triggers.desk
        return await desk.create(workflow, document, version=version, by=self.me)

    async def enable_trigger(self, id: str, enabled: bool) -> Trigger:
        return await self._app.triggers.desk.enable(id, enabled)

    async def delete_trigger(self, id: str) -> None:
        await self._app.triggers.desk.delete(id)

    async def fire(
        self, id: str, payload: Any, attributes: Mapping[str, str], key: str | None
    ) -> Firing:
        trigger = await self._store.trigger(id)
        named = None if key is None else f"by/{self.me}/{key}"
        return await self._app.triggers.desk.fire(
            trigger, payload, attributes=attributes, id=named, by=self.me
        )

    async def deal(self, firing: Firing, waits: Callable[[], None]) -> Firing:
        return await self._app.triggers.deal(firing, waits)

    async def replay(self, id: str) -> Firing:
        return await self._app.triggers.desk.replay(id, by=self.me)


def _lost(given: str) -> str:
    raise FiringNotFound(f"no firing {given!r} is among the last {MANY:,}; give the whole id")
