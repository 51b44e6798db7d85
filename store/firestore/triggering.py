"""The `Firings` port over one Firestore database; what each method owes is said there."""

from __future__ import annotations

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
