"""The `Firings` port, and the part of `Bulk` that is of it, over one Firestore database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import firings, lanes, triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.firing import Firing, FiringStatus, Lane, Trigger
    from ...graphs.stored import Page
    from .database import Database
    from .revisions import Revisions


class Triggering:
    """The part of a store that keeps triggers and their firings."""

    _database: Database
    _revisions: Revisions

    async def put_trigger(self, trigger: Trigger) -> bool:
        return await triggers.put(self._database, self._revisions, trigger)

    async def trigger(self, trigger_id: str) -> Trigger:
        return await triggers.find(self._database, self._revisions, trigger_id)

    async def triggers(
        self,
        *,
        workflow: str | None = None,
        type: str | None = None,
        due: float | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Trigger]:
        return await triggers.listing(self._database, workflow, type, due, after, limit)

    async def triggers_of(self, ids: Sequence[str]) -> Sequence[Trigger]:
        return await triggers.of(self._database, ids)

    async def starters_of(self, workflows: Sequence[str], *, each: int = 20) -> Sequence[Trigger]:
        wanted = dict.fromkeys(workflows)
        found = await asyncio.gather(
            *(triggers.listing(self._database, name, None, None, None, each) for name in wanted)
        )
        return [trigger for page in found for trigger in page.items]

    async def delete_trigger(self, trigger_id: str) -> None:
        await triggers.delete(self._database, trigger_id)

    async def put_firing(self, firing: Firing) -> bool:
        return await firings.put(self._database, self._revisions, firing)

    async def firing(self, firing_id: str) -> Firing:
        return await firings.find(self._database, self._revisions, firing_id)

    async def firings(
        self,
        *,
        trigger: str | None = None,
        status: FiringStatus | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Firing]:
        return await firings.listing(self._database, trigger, status, after, limit)

    async def firings_of(self, ids: Sequence[str]) -> Sequence[Firing]:
        return await firings.of(self._database, ids)

    async def fired_by(self, trigger_ids: Sequence[str], *, each: int = 20) -> Sequence[Firing]:
        wanted = dict.fromkeys(trigger_ids)
        found = await asyncio.gather(
            *(firings.listing(self._database, id, None, None, each) for id in wanted)
        )
        return [firing for page in found for firing in page.items]

    async def due_firings(self, now: float, *, limit: int = 100) -> Sequence[Firing]:
        return await firings.due(self._database, self._revisions, now, limit)

    async def prune_firings(self, before: str) -> int:
        count = await firings.prune(self._database, before)
        await lanes.prune(self._database, before)
        return count

    async def lane(self, lane_id: str) -> Lane | None:
        return await lanes.find(self._database, self._revisions, lane_id)

    async def put_lane(self, lane: Lane) -> bool:
        return await lanes.put(self._database, self._revisions, lane)

    async def lanes(self, *, after: str | None = None, limit: int = 100) -> Page[Lane]:
        return await lanes.listing(self._database, after, limit)
