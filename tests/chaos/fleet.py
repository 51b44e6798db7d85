"""Worker processes, each behind proxies of its own, and what can be done to them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import psutil

from ..emulators import VARIABLES
from ..proxy import Proxy

HOUSE = Path(__file__).resolve().parents[2]

READY_WITHIN = 60.0
ENDED_WITHIN = 45.0
"""Seconds; a worker that is told to end gives its executions 30."""


class Ship:
    """One place for a worker: its proxies last, its processes come and go."""

    def __init__(self, number: int, folder: Path, environ: Mapping[str, str]) -> None:
        """`environ` with the emulators' own addresses."""
        self.number = number
        self.worker = ""
        self.frozen = False
        self.firestore = _proxy(environ[VARIABLES["firestore"]])
        self.pubsub = _proxy(environ[VARIABLES["pubsub"]])
        self.lives = 0
        self._folder, self._environ = folder, environ
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._ready = asyncio.Event()
        self._changing = asyncio.Lock()

    @property
    def sails(self) -> bool:
        """A worker is there, and can hear."""
        return bool(self.worker) and not self.frozen

    async def launch(self, seed: str) -> None:
        """A new process; returns when it serves. Where Pub/Sub is away as it starts it ends, and
        is started again, as by whatever runs services."""
        async with self._changing:
            for _ in range(10):
                if self.worker:
                    return
                await self._launch(seed)
                await asyncio.sleep(0 if self.worker else 1)

    async def _launch(self, seed: str) -> None:
        self.lives += 1
        environ = {
            **self._environ,
            VARIABLES["firestore"]: self.firestore.address,
            VARIABLES["pubsub"]: self.pubsub.address,
        }
        with (self._folder / f"log-{self.number}").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.worker", str(self._folder), seed),
                cwd=HOUSE,
                env=environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._ready.clear()
        self._hearing = asyncio.create_task(self._hear(self._process))
        ready = asyncio.create_task(self._ready.wait())
        either = {ready, self._hearing}
        await asyncio.wait(either, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self.worker:
            await self._end_now(signal.SIGKILL)

    async def begin(self, workflow: str, n: int, case: str) -> bool:
        """Have it begin an execution; False when it is not known whether it has."""
        assert self._process is not None
        assert self._process.stdin is not None
        asked = self._asked[case] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(f"{workflow} {n} {case}\n".encode())
        try:
            return await asyncio.wait_for(asked, 10)
        except TimeoutError:
            return False
        finally:
            del self._asked[case]

    async def kill(self) -> None:
        """As the kernel does."""
        await self._end(signal.SIGKILL)

    async def retire(self) -> int:
        """As `docker stop` does; its exit status, negative: it had to be killed."""
        return await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        self.frozen = False

    async def _end(self, how: signal.Signals) -> int:
        async with self._changing:  # not while another is launched, who would be forgotten
            return await self._end_now(how)

    async def _end_now(self, how: signal.Signals) -> int:
        process, self.worker = self._process, ""
        if process is None or process.returncode is not None:
            return 0
        self.thaw()
        process.send_signal(how)
        try:
            return await asyncio.wait_for(process.wait(), ENDED_WITHIN)
        except TimeoutError:
            process.send_signal(signal.SIGUSR1)  # it says in its log what it waits for
            await asyncio.sleep(1)
            process.kill()
            return await process.wait()
        finally:
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_result(False)
            if self._hearing is not None:
                await asyncio.wait({self._hearing})
            if process.stdin is not None:
                process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            word, *rest = line.split()
            if word == "ready":
                self.worker = rest[0]
                self._ready.set()
            elif word in ("begun", "failed"):
                asked = self._asked.get(rest[0])
                if asked is not None and not asked.done():
                    asked.set_result(word == "begun")


class Fleet:
    """So many workers. `async with`: nobody of them is left afterwards."""

    def __init__(self, size: int, folder: Path, environ: Mapping[str, str], seed: int) -> None:
        self.ships: Sequence[Ship] = [Ship(n, folder, environ) for n in range(size)]
        self._seed = seed
        self._stack = AsyncExitStack()
        self._launching: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for ship in self.ships:
            await self._stack.enter_async_context(ship.firestore)
            await self._stack.enter_async_context(ship.pubsub)
            self._stack.push_async_callback(ship.kill)
        await asyncio.gather(*(self.launch(ship) for ship in self.ships))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._launching:
            task.cancel()
        await asyncio.gather(*self._launching, return_exceptions=True)
        await self._stack.aclose()

    async def launch(self, ship: Ship) -> None:
        """Its messages suffer as the seed says, in each of its lives in another way."""
        await ship.launch(f"{self._seed}-{ship.number}-{ship.lives}")

    def relaunch(self, ship: Ship) -> None:
        """In the background."""
        task = asyncio.create_task(self.launch(ship))
        self._launching.add(task)
        task.add_done_callback(self._launching.discard)

    async def settled(self) -> None:
        """Every place has a worker again, awake and with whole lines."""
        await asyncio.gather(*self._launching, return_exceptions=True)
        for ship in self.ships:
            ship.firestore.restore()
            ship.pubsub.restore()
            ship.firestore.delay = ship.pubsub.delay = 0.0
            if ship.frozen:
                ship.thaw()
            if not ship.worker:
                await self.launch(ship)


def alive(pid: int) -> bool:
    """Whether a process of that number runs, or is stopped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _proxy(address: str) -> Proxy:
    host, _, port = address.rpartition(":")
    return Proxy(host, int(port))
