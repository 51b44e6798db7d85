"""What happens to workers and to what connects them, one thing after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from assay.store.firestore import names
from assay.store.firestore.database import Database, where
from assay.store.pubsub.setup import setup

from ..emulators import private
from .fleet import Fleet, Ship

Act = Callable[[Ship], Awaitable[None]]


class PubSub:
    """An emulator that can be started again: it forgets everything, and keeps its address."""

    def __init__(self, folder: Path, project: str) -> None:
        self.address = ""
        self._folder, self._project = folder, project
        self._running = ExitStack()

    @contextmanager
    def running(self) -> Iterator[PubSub]:
        self._start()
        try:
            yield self
        finally:
            self._running.close()

    async def restart(self) -> None:
        await asyncio.to_thread(self._running.close)
        await asyncio.to_thread(self._start)
        await setup(self._project)

    def _start(self) -> None:
        port = int(self.address.rpartition(":")[2] or 0)
        self._running = ExitStack()
        self.address = self._running.enter_context(private(self._folder, "pubsub", port))


class Storm:
    """Does things to the fleet, as the seed says, until it is told to end. `did` counts them."""

    def __init__(
        self, fleet: Fleet, pubsub: PubSub, database: Database, ttl: float, random: Random
    ) -> None:
        self.did: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._fleet, self._pubsub, self._database = fleet, pubsub, database
        self._ttl, self._random = ttl, random
        self._hit: set[Ship] = set()
        self._restarting = asyncio.Lock()
        self._acts: list[tuple[Act, int]] = [
            (self._kill, 5),
            (self._freeze, 4),
            (self._cut_firestore, 3),
            (self._slow_firestore, 2),
            (self._cut_pubsub, 1),
            (self._restart_pubsub, 1),
            (self._retire, 1),
        ]

    async def rage(self, over: asyncio.Event) -> None:
        """To all ships but one at a time."""
        gusts = max(1, len(self._fleet.ships) - 1)
        await asyncio.gather(*(self._blow(over) for _ in range(gusts)))

    async def _blow(self, over: asyncio.Event) -> None:
        """Every act is done soon, then all again in another order, some more often."""
        while not over.is_set():
            round = [act for act, often in self._acts for _ in range(often)]
            self._random.shuffle(round)
            for act in round:
                pause = self._random.uniform(0.2, 1.5)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), pause)
                free = [s for s in self._fleet.ships if s.sails and s not in self._hit]
                if over.is_set():
                    return
                if not free:
                    continue
                ship = self._random.choice(free)
                self._hit.add(ship)
                try:
                    await act(ship)
                finally:
                    self._hit.discard(ship)

    async def _kill(self, ship: Ship) -> None:
        self.did["killed"] += 1
        await ship.kill()
        self._fleet.relaunch(ship)

    async def _retire(self, ship: Ship) -> None:
        self.did["retired"] += 1
        worker = ship.worker
        if (code := await ship.retire()) != 0:
            self.wrong.append(f"worker {worker} was told to end, and ended with {code}")
        self._fleet.relaunch(ship)

    async def _freeze(self, ship: Ship) -> None:
        """Until another has taken from it some of what it held, or long enough for that."""
        ship.freeze()
        self.did["frozen"] += 1
        held = await self._held(ship)
        for _ in range(int(3 * self._ttl / 0.25)):
            await asyncio.sleep(0.25)
            if held - await self._held(ship):
                self.did["frozen and robbed"] += 1
                break
        ship.thaw()

    async def _cut_firestore(self, ship: Ship) -> None:
        self.did["Firestore cut"] += 1
        ship.firestore.cut()
        await asyncio.sleep(self._random.uniform(0.2, 2.5) * self._ttl)
        ship.firestore.restore()

    async def _slow_firestore(self, ship: Ship) -> None:
        self.did["Firestore slow"] += 1
        ship.firestore.delay = self._random.uniform(0.05, 0.4)
        await asyncio.sleep(self._random.uniform(1, 4))
        ship.firestore.delay = 0.0

    async def _cut_pubsub(self, ship: Ship) -> None:
        self.did["Pub/Sub cut"] += 1
        ship.pubsub.cut()
        await asyncio.sleep(self._random.uniform(0.5, 4))
        ship.pubsub.restore()

    async def _restart_pubsub(self, ship: Ship) -> None:
        """For everybody, but not twice at once."""
        async with self._restarting:
            self.did["Pub/Sub restarted"] += 1
            await self._pubsub.restart()

    async def _held(self, ship: Ship) -> set[str]:
        """The leases that its worker has."""
        leases = where(self._database.all(names.LEASES), "worker", "==", ship.worker)
        return {each.id for each in await self._database.find(leases.select([]))}
