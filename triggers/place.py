"""How far something has come in the store's log, and whose turn it is to go on from there."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from ..graphs.execution import timestamp
from ..graphs.firing import Lane, lane_id

if TYPE_CHECKING:
    from ..graphs.ports import Store

HOLD = 6.0
"""Seconds for which it is somebody's turn, unless they say so again; as long it takes until
another goes on where one was killed."""

KEEP = 1.0
"""Seconds between two writings of how far it has come."""

WATCH = "watch"
"""Stands for the trigger in lanes that are of no trigger: none has such an id."""


class Place:
    """A cursor that outlasts the process, in a lane of its own.

    Of several processes one goes on, and the others wait until it has not said for a while that
    it is still there. That is thrift and no more: two at once do no harm, for whatever is done
    must be known by an id anyway, since the last moments are done again after a crash.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.cursor = ""
        self.free_at = 0.0
        """When it may be our turn; seconds since 1970."""
        self.kept_at = float("-inf")
        """When it was written here last; of the monotonic clock."""
        self._store, self._name, self._id = store, name, lane_id(WATCH, name)
        self._me = secrets.token_hex(8)
        self._until = 0.0
        self._kept = ""
        self._revision = 0  # of the lane when it is written next

    @property
    def ours(self) -> bool:
        """Whether it is our turn, as far as we know."""
        return self._until > 0

    async def mark(self) -> Lane:
        """The lane; one that begins here if there is none."""
        while (lane := await self._store.lane(self._id)) is None:
            document = {"name": self._name, "cursor": await self._store.log_end()}
            await self._store.put_lane(Lane(self._id, WATCH, timestamp(), document, lasting=True))
        return lane

    async def turn(self, begin: str = "") -> bool:
        """Whether it is our turn. When it becomes that, we go on where the last one was, or at
        `begin`."""
        now = time.time()
        if now < self._until - HOLD / 2:
            return True
        if not self.ours:
            lane = await self.mark()
            until = float(lane.document.get("until", 0.0))
            # A clock that is far ahead must not keep the others waiting.
            if lane.document.get("by") != self._me and now < until < now + 2 * HOLD:
                self.free_at = until
                return False
            self.cursor = begin or str(lane.document["cursor"])
            self._revision = lane.revision + 1
        return await self._write(now + HOLD)

    async def keep(self) -> None:
        """Write now and then how far we have come."""
        if self.cursor != self._kept and time.monotonic() - self.kept_at >= KEEP:
            await self._write(time.time() + HOLD)

    async def leave(self) -> None:
        """Let others go on from here."""
        if self.ours:
            await self._write(0.0)

    async def _write(self, until: float) -> bool:
        """False: another has taken its turn."""
        document = {"name": self._name, "cursor": self.cursor, "by": self._me, "until": until}
        lane = Lane(self._id, WATCH, timestamp(), document, lasting=True, revision=self._revision)
        done = await self._store.put_lane(lane)
        self._until = until if done else 0.0
        if done:
            self._revision += 1
            self._kept, self.kept_at = self.cursor, time.monotonic()
        return done
