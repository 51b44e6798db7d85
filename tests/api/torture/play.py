"""The play: executions that are busy, subscribers that are cut off, a server that is killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from .cutter import Cutter
from .server import Server
from .subscribers import ENDS, Spoil, Subscriber
from .surfaces import CUT, SURFACES, CutOff, Line, sse
from .verdict import Fault, faults, journal
from .workflows import mark, workflow

WORKFLOWS = 6


@dataclass(frozen=True)
class Size:
    """How much of everything. A connection carries `bytes` before it is cut, more or less.

    `spread` is in how many seconds everything begins, `pause` how long the slow ones take.
    """

    subscribers: int
    executions: int
    kills: int
    parts: int = 6
    spread: float = 5
    bytes: float = 20_000
    pause: float = 1.0
    surfaces: Sequence[str] = tuple(SURFACES)


@dataclass
class Verdict:
    """How it ended: `executions` that have ended, `lives` of the server, `cuts` of connections,
    `events` of all executions, and how many were `heard` by all subscribers together."""

    faults: list[Fault]
    executions: int = 0
    lives: int = 0
    cuts: int = 0
    connections: int = 0
    events: int = 0
    heard: int = 0


class Play:
    """One run of everything. `spoils` are what a server with bugs would tell subscribers."""

    def __init__(
        self,
        folder: Path,
        size: Size,
        seed: int,
        spoils: Sequence[Spoil] = (),
    ) -> None:
        self._size = size
        self._rng = Random(seed)
        self._spoils = spoils
        self._server = Server(folder)
        self._mark = ""
        self._asked: dict[str, str] = {}
        self._ended: set[str] = set()
        self._all_ended = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()
        self._subscribers: list[Subscriber] = []

    async def run(self) -> Verdict:
        server, size = self._server, self._size
        await server.make_key()
        await server.start()
        line = Line(server.url, server.key)
        try:
            async with Cutter(server.port, self._child(), size.bytes) as cutter:
                await self._perform(line, Line(cutter.url, server.key))
        finally:
            await line.http.aclose()
            await server.end()
        assert "Traceback" not in server.said, server.said
        log = await journal(server.store)
        return Verdict(
            [fault for each in self._subscribers for fault in faults(each, log)],
            sum(each.event["type"] in ENDS for each in log),
            server.lives,
            cutter.cuts,
            sum(each.connections for each in self._subscribers),
            len(log),
            sum(len(each.heard) for each in self._subscribers),
        )

    async def _perform(self, line: Line, cut: Line) -> None:
        names = [f"w{number}" for number in range(WORKFLOWS)]
        for number, name in enumerate(names):
            # Whoever reads one event a second follows the first.
            parts = self._size.parts if number else 2
            await self._ask(line, "POST", "/v1/workflows", workflow(name, self._child(), parts))
        await self._ask(line, "POST", "/v1/workflows", mark("mark"))
        self._mark = await self._start(line, "mark", 0)
        async with asyncio.TaskGroup() as group:
            witness = group.create_task(self._witness(line))
            killing = group.create_task(self._kill())
            starting = [
                group.create_task(self._start(line, names[number % WORKFLOWS], number + 1))
                for number in range(self._size.executions)
            ]
            listening = [
                group.create_task(self._listen(number, starting, cut))
                for number in range(self._size.subscribers)
            ]
            await asyncio.gather(killing, *starting, self._all_ended.wait())
            await self._answer(line, self._asked[self._mark])
            await asyncio.gather(*listening)
            witness.cancel()

    async def _listen(self, number: int, starting: Sequence[asyncio.Task[str]], line: Line) -> None:
        """Half of them to one execution, the others to all, from the beginning or from now on;
        the first two read an event a second, of all as long as there are new ones."""
        rng = self._child()
        surfaces = self._size.surfaces
        surface = surfaces[number % len(surfaces)]
        kind = number // len(surfaces) % 4
        execution, cursor, pause = None, None, 0.0
        if number == 0 or (number > 1 and kind in (0, 2)):
            execution, cursor = await starting[number % len(starting)], "0"
        elif number == 1 or kind == 1:
            cursor = ""
        if number < 2:
            pause = self._size.pause
        elif number % 2:
            await asyncio.sleep(rng.uniform(0, self._size.spread))
        subscriber = Subscriber(
            number,
            surface,
            execution,
            cursor,
            rng,
            mark=self._mark,
            pause=lambda: 0 if execution is None and self._all_ended.is_set() else pause,
            spoil=self._spoils[number] if self._spoils else lambda heard: [heard],
        )
        self._subscribers.append(subscriber)
        await subscriber.listen(line)

    async def _start(self, line: Line, name: str, number: int) -> str:
        """Once, however often it has to be asked for."""
        if number:
            await asyncio.sleep(self._child().uniform(0, self._size.spread))
        begun = await self._ask(
            line, "POST", "/v1/executions", {"workflow": name}, {"Idempotency-Key": f"n{number}"}
        )
        return str(begun["execution_id"])

    async def _kill(self) -> None:
        rng = self._child()
        for _ in range(self._size.kills):
            await asyncio.sleep(rng.uniform(0.5, 1) * self._size.spread / 2)
            await self._server.end(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            await asyncio.sleep(rng.uniform(0, 0.5))
            await self._server.start()

    async def _witness(self, line: Line) -> None:
        """Answers what is asked, and sees when all but the mark have ended."""
        cursor: str | None = ""
        while True:
            try:
                async for heard in sse(line, None, cursor):
                    cursor = heard.cursor
                    if heard.event is not None:
                        self._see(line, heard.event)
            except CUT:
                await asyncio.sleep(0.1)

    def _see(self, line: Line, event: Mapping[str, Any]) -> None:
        id = event["execution_id"]
        if event["type"] == "QuestionAsked":
            self._asked[id] = event["data"]["question"]
            if id != self._mark:
                answering = asyncio.create_task(self._answer(line, self._asked[id]))
                self._answering.add(answering)
        if event["type"] in ENDS:
            self._ended.add(id)
            if len(self._ended) == self._size.executions:
                self._all_ended.set()

    async def _answer(self, line: Line, question: str) -> None:
        await self._ask(line, "POST", f"/v1/questions/{question}/answer", {"approved": True})

    async def _ask(
        self,
        line: Line,
        method: str,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer, however often the server has to be asked for it."""
        while True:
            try:
                answer = await line.http.request(
                    method, line.url + path, json=body, headers={**line.headers, **(headers or {})}
                )
                if answer.status_code == 503:
                    raise CutOff(answer.text)
            except CUT:
                await asyncio.sleep(0.1)
                continue
            assert answer.is_success, (path, answer.status_code, answer.text)
            found: dict[str, Any] = answer.json()
            return found

    def _child(self) -> Random:
        return Random(self._rng.random())
