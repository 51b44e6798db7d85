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
_BURIED_AFTER = 10  # TTLs, when nothing of a dead worker is left


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
        self._suspects: dict[str, tuple[Any, float]] = {}
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
        silent = where(
            self._database.all(names.WORKERS), "beat", "<=", self._now() - self._lifetime
        )
        return [each.id for each in await self._database.find(silent) if self._dead(each)]

    async def refresh(self) -> None:
        """Before something is begun: be known as alive, also after a long standstill."""
        if time.monotonic() - self._heard[1] > self._ttl / 2:
            await self._beat()

    async def know(self, worker: str) -> None:
        """See to it that a worker that is not ours is looked after when it is dead."""
        if worker == self.own or worker in self._known:
            return
        batch = self._database.batch()
        batch.create(self._place(worker), {"beat": _LONG_AGO, "closed": True})
        with contextlib.suppress(Conflict):
            await self._database.commit(batch, "Naming a worker")
        self._known.add(worker)

    async def bury(self, worker: str) -> None:
        """Forget a dead worker that has left nothing, once it can begin nothing any more."""
        (found,) = await self._database.get(self._place(worker))
        if found is not None and self._now() - found.time > self._lifetime * _BURIED_AFTER:
            batch = self._database.batch()
            batch.delete(self._place(worker), found.time)
            with contextlib.suppress(Conflict):
                await self._database.commit(batch, "Forgetting a worker")
            self._known.discard(worker)

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

    def _now(self) -> datetime:
        """The server's time."""
        at, monotonic = self._heard
        return at + timedelta(seconds=time.monotonic() - monotonic)

    def _dead(self, found: Found) -> bool:
        if found.get("closed"):
            return True
        if self._now() - found["beat"] < self._lifetime:
            self._suspects.pop(found.id, None)
            return False
        beat, since = self._suspects.get(found.id, (None, 0.0))
        if beat != found["beat"]:
            self._suspects[found.id] = (found["beat"], time.monotonic())
            return False
        return time.monotonic() - since >= self._every

    async def _beat(self) -> None:
        batch = self._database.batch()
        batch.put(self._place(self.own), {"beat": SERVER_TIMESTAMP})
        *_, at = await self._database.commit(batch, "Saying that this worker is alive")
        # What is taken for the server's time may be behind, never ahead: nobody dies early.
        self._heard = (at, time.monotonic())

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self._beat()
            except StoreError as error:
                _log.warning("%s", error.message)
