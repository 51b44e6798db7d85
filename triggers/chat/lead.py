"""One of the processes that serve tells people what happens: whose turn that is.

The turn is a lane of the store that names a worker, and lasts as long as that is alive. Two that
believe they have it are told apart by the revisions of what they write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphs.errors import StoreError
from ...graphs.execution import timestamp
from ...graphs.firing import Lane, lane_id

if TYPE_CHECKING:
    from ...graphs.ports import Store

LOOK = 2.0
"""Seconds between two looks of those whose turn it is not."""

RENEWED = 600.0
"""Seconds between two looks of the one whose turn it is: what nobody writes is forgotten."""

_log = logging.getLogger("assay.chat")


class Lead:
    """The turn of that name, in one store."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._id = lane_id("chat", name)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work whenever it is this process's turn, until cancelled. Raises what it
        raises."""
        while True:
            if await self._taken():
                await self._working(work)
            else:
                await asyncio.sleep(max(LOOK, self._store.pace.sweep))

    async def _working(self, work: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(work())
        try:
            while not working.done():
                await asyncio.wait((working,), timeout=RENEWED)
                if not working.done() and not await self._taken():
                    _log.warning("another process has the turn of %s", self._name)
                    return
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await asyncio.shield(self._left())
        working.result()

    async def _taken(self) -> bool:
        """Take the turn, or keep it."""
        kept = await self._store.lane(self._id)
        if kept is None:
            kept = Lane(self._id, "chat", timestamp(), revision=-1)
        by = str(kept.document.get("by", ""))
        if by and by != self._store.worker and await self._store.alive(by):
            return False
        return await self._store.put_lane(self._by(kept, self._store.worker))

    async def _left(self) -> None:
        """Whoever is next need not find out first that this one is gone."""
        try:
            kept = await self._store.lane(self._id)
            if kept is not None and kept.document.get("by") == self._store.worker:
                await self._store.put_lane(self._by(kept, ""))
        except StoreError as error:
            _log.warning("the turn of %s was not given back: %s", self._name, error)

    def _by(self, lane: Lane, worker: str) -> Lane:
        return replace(lane, at=timestamp(), document={"by": worker}, revision=lane.revision + 1)
