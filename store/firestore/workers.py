"""Which workers are alive: each open store writes the time into a document of its own.

Times are the server's, so no two clocks are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1 import SERVER_TIMESTAMP

from ...graphs.errors import StoreError
from . import names
from .database import Conflict, where

if TYPE_CHECKING:
    from .database import Database, Found

TTL = 15.0
"""Seconds without a beat after which a worker is dead."""

_log = logging.getLogger(__name__)
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_BEATS = 4  # in one TTL
_LAPSES = 0.8  # of a TTL; what is left is for ending what runs
_LINGERS = 30.0  # seconds in which something that a dead worker sent may still be written
_CREW = 10  # workers of which each sweeps as often as it can
_RAREST = 60.0  # seconds between two sweeps of one worker
_COUNTED = 60.0  # seconds for which a number of workers is taken for true


class Workers:
    """The workers of one database, one of which is `own`.

    A worker that the server has not heard of for `ttl` seconds is dead, and so is one that it
    does not know. Whoever looks makes sure by a second look a beat later: a whole machine that
    slept would else take everybody for dead when it wakes up.
    """

    def __init__(self, database: Database, ttl: float = TTL) -> None:
        self.own = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._database = database
        self._ttl = ttl
        self._every = ttl / _BEATS
        self._beating: asyncio.Task[None] | None = None
        self._heard: tuple[datetime, float] = (_LONG_AGO, 0.0)
        self._said = 0.0
        self._suspects: dict[str, tuple[Any, float]] = {}
        self._unsure = False
        self._crew = 1
        self._count_at = 0.0
        self._sweeps_until = 0.0
        self._known: set[str] = set()

    async def start(self) -> None:
        """Be alive from now on. Raises `StoreError` when the database cannot be written to."""
        await self._beat()
        self._beating = asyncio.create_task(self._keep_beating())

    async def alive(self, worker: str) -> bool:
        """`worker` as its name stands in documents."""
        if worker == self.own:
            return self._beating is not None
        (found,) = await self._database.get(self._place(worker))
        if found is None:
            self._suspects.pop(worker, None)
            return False
        return not self._dead(found)

    async def dead(self) -> list[str]:
        """Those that may have left something behind."""
        silent = where(self._database.all(names.WORKERS), "beat", "<=", self.now() - self._lifetime)
        found = [each for each in await self._database.find(silent) if each.id != self.own]
        dead = [each.id for each in found if self._dead(each)]
        ids = {each.id for each in found}
        self._suspects = {id: self._suspects[id] for id in self._suspects.keys() & ids}
        self._unsure = len(dead) < len(found)
        return dead

    async def sweep(self, every: float) -> float:
        """Seconds until this worker's next sweep, when a few workers sweep `every` so often.

        Many share what is to be seen: together they sweep no more often than a few do. Who
        has seen a silent worker looks a second time soon.
        """
        now = time.monotonic()
        self._sweeps_until = now + 2 * _RAREST
        if now >= self._count_at:
            sweepers = where(self._database.all(names.WORKERS), "sweeps", "==", True)
            self._crew = max(1, await self._database.count(sweepers))
            # The first time others may not have said yet that they sweep.
            self._count_at = now + (_COUNTED if self._count_at else 2 * self._every)
        seconds = min(max(every, every * self._crew / _CREW), max(every, _RAREST))
        return min(seconds, max(every, self._every)) if self._unsure else seconds

    async def refresh(self) -> None:
        """Before something is begun: be known as alive, also after a long standstill."""
        if time.monotonic() - self._heard[1] > self._ttl / 2:
            await self._beat()

    async def lapse(self) -> None:
        """Return when this worker has not been heard of for so long that it is soon dead."""
        while True:
            left = self._said + self._ttl * _LAPSES - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def know(self, worker: str) -> None:
        """See to it that a worker that is not ours is looked after when it is dead."""
        if worker == self.own or worker in self._known:
            return
        (found,) = await self._database.get(self._place(worker))
        batch = self._database.batch()
        if found is None:
            batch.create(self._place(worker), {"beat": _LONG_AGO, "closed": True})
        elif found.get("closed"):
            again = {"beat": _LONG_AGO, "silent_since": None}
            batch.update(self._place(worker), again, found.time)
        else:
            return
        with contextlib.suppress(Conflict):
            await self._database.commit(batch, "Naming a worker")
        self._known.add(worker)

    async def bury(self, worker: str) -> None:
        """Forget a dead worker that has left nothing, once it can begin nothing any more.

        Before, it is looked at once in a lifetime, by whoever comes first. If it is not dead,
        its next beat brings it back.
        """
        self._known.discard(worker)
        (found,) = await self._database.get(self._place(worker))
        if found is None:
            return
        batch, since = self._database.batch(), found.get("silent_since", found.time)
        if self.now() - since > max(2 * self._lifetime, timedelta(seconds=_LINGERS)):
            batch.delete(self._place(worker), found.time)
        else:
            seen = {"beat": SERVER_TIMESTAMP, "closed": True, "sweeps": None, "silent_since": since}
            batch.update(self._place(worker), seen, found.time)
        with contextlib.suppress(Conflict):
            await self._database.commit(batch, "Forgetting a worker")

    async def close(self, *, leaving: bool) -> None:
        """Be alive no more; `leaving` behind what others have to find. Twice is harmless."""
        beating, self._beating = self._beating, None
        if beating is None:
            return
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        batch = self._database.batch()
        if leaving:
            batch.put(self._place(self.own), {"beat": _LONG_AGO, "closed": True})
        else:
            batch.delete(self._place(self.own))
        # Whoever cannot say so is found dead after a while.
        with contextlib.suppress(StoreError, Conflict):
            await self._database.commit(batch, "Closing")

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self._ttl)

    def _place(self, worker: str) -> Any:
        return self._database.at(names.WORKERS, worker)

    def now(self) -> datetime:
        """The server's time."""
        at, monotonic = self._heard
        return at + timedelta(seconds=time.monotonic() - monotonic)

    def _dead(self, found: Found) -> bool:
        if found.get("closed"):
            return True
        if self.now() - found["beat"] < self._lifetime:
            self._suspects.pop(found.id, None)
            return False
        beat, since = self._suspects.get(found.id, (None, 0.0))
        if beat != found["beat"]:
            self._suspects[found.id] = (found["beat"], time.monotonic())
            return False
        return time.monotonic() - since >= self._every

    async def _beat(self) -> None:
        batch = self._database.batch()
        sweeps = True if time.monotonic() < self._sweeps_until else None
        batch.put(self._place(self.own), {"beat": SERVER_TIMESTAMP, "sweeps": sweeps})
        said = time.monotonic()
        *_, at = await self._database.commit(batch, "Saying that this worker is alive")
        # What is taken for the server's time may be behind, never ahead: nobody dies early.
        self._heard, self._said = (at, time.monotonic()), said

    async def _keep_beating(self) -> None:
        while True:
            # One that took long may have been written at its beginning.
            await asyncio.sleep(max(0.0, self._said + self._every - time.monotonic()))
            try:
                await self._beat()
            except StoreError as error:
                _log.warning("%s", error.message)
                await asyncio.sleep(self._every / 4)
