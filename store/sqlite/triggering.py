"""The `Firings` port, and the part of `Bulk` that is of it, over one SQLite database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..firing import firing_texts, lane_text, trigger_texts
from . import firings, lanes, triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.firing import Firing, FiringStatus, Lane, Trigger
    from ...graphs.stored import Page
    from .reader import Reader
    from .writer import Writer


class Triggering:
    """The part of a store that keeps triggers and their firings."""

    _writer: Writer
    _reader: Reader | None

    async def put_trigger(self, trigger: Trigger) -> bool:
        work = partial(triggers.put, trigger=trigger, texts=trigger_texts(trigger))
        return await self._writer.run(work, f"Trigger {trigger.id}")

    async def trigger(self, trigger_id: str) -> Trigger:
        work = partial(triggers.find, trigger_id=trigger_id)
        return await (self._reader or self._writer).run(work)

    async def triggers(
        self,
        *,
        workflow: str | None = None,
        type: str | None = None,
        due: float | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Trigger]:
        work = partial(
            triggers.listing, workflow=workflow, type=type, due=due, after=after, limit=limit
        )
        return await (self._reader or self._writer).run(work)

    async def triggers_of(self, ids: Sequence[str]) -> Sequence[Trigger]:
        return await (self._reader or self._writer).run(partial(triggers.of, ids=ids))

    async def starters_of(self, workflows: Sequence[str], *, each: int = 20) -> Sequence[Trigger]:
        work = partial(triggers.starters_of, workflows=workflows, each=each)
        return await (self._reader or self._writer).run(work)

    async def delete_trigger(self, trigger_id: str) -> None:
        work = partial(triggers.delete, trigger_id=trigger_id)
        await self._writer.run(work, f"Trigger {trigger_id}")

    async def put_firing(self, firing: Firing) -> bool:
        work = firings.Putting(firing, firing_texts(firing))
        return await self._writer.run(work, f"Firing {firing.id} of {firing.trigger}")

    async def firing(self, firing_id: str) -> Firing:
        work = partial(firings.find, firing_id=firing_id)
        return await (self._reader or self._writer).run(work)

    async def firings(
        self,
        *,
        trigger: str | None = None,
        status: FiringStatus | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Firing]:
        work = partial(firings.listing, trigger=trigger, status=status, after=after, limit=limit)
        return await (self._reader or self._writer).run(work)

    async def firings_of(self, ids: Sequence[str]) -> Sequence[Firing]:
        return await (self._reader or self._writer).run(partial(firings.of, ids=ids))

    async def fired_by(self, trigger_ids: Sequence[str], *, each: int = 20) -> Sequence[Firing]:
        work = partial(firings.newest_of, trigger_ids=trigger_ids, each=each)
        return await (self._reader or self._writer).run(work)

    async def due_firings(self, now: float, *, limit: int = 100) -> Sequence[Firing]:
        work = partial(firings.due, now=now, limit=limit)
        return await (self._reader or self._writer).run(work)

    async def prune_firings(self, before: str) -> int:
        count = 0
        while some := await self._writer.run(partial(firings.prune, before=before)):
            count += some
        await self._writer.run(partial(lanes.prune, before=before))
        return count

    async def lane(self, lane_id: str) -> Lane | None:
        work = partial(lanes.find, lane_id=lane_id)
        return await (self._reader or self._writer).run(work)

    async def put_lane(self, lane: Lane) -> bool:
        work = partial(lanes.put, lane=lane, document=lane_text(lane))
        return await self._writer.run(work, f"Lane {lane.id} of {lane.trigger}")

    async def lanes(self, *, after: str | None = None, limit: int = 100) -> Page[Lane]:
        work = partial(lanes.listing, after=after, limit=limit)
        return await (self._reader or self._writer).run(work)
