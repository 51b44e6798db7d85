"""Who listens, and comes back after each cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Any

from .surfaces import CUT, SURFACES, Heard, Line

Spoil = Callable[[Heard], Sequence[Heard]]
"""What a server with a bug would tell instead."""

ENDS = frozenset({"ExecutionCompleted", "ExecutionFailed", "ExecutionCancelled"})


class Subscriber:
    """Listens to one execution or to all, to its end, or to that of the execution `mark`.

    `cursor` is where it begins: None is now. `pause` says how long it takes over an event.
    """

    def __init__(
        self,
        number: int,
        surface: str,
        execution: str | None,
        cursor: str | None,
        rng: Random,
        *,
        mark: str,
        pause: Callable[[], float] = lambda: 0.0,
        spoil: Spoil = lambda heard: [heard],
    ) -> None:
        self.number = number
        self.surface = surface
        self.execution = execution
        self.began = cursor
        """From which cursor on it has to hear everything; None: from the first it has heard."""
        self.heard: list[Mapping[str, Any]] = []
        self.connections = 0
        self.over = False
        self._cursor = cursor
        self._rng = rng
        self._mark = mark
        self._pause = pause
        self._spoil = spoil

    def __repr__(self) -> str:
        what = self.execution or f"all from {self.began!r}"
        return f"{self.number}: {self.surface} of {what}, {self.connections} connections"

    async def listen(self, line: Line) -> None:
        while not self.over:
            await self._connect(line)
            await asyncio.sleep(self._rng.uniform(0, 0.3))

    async def _connect(self, line: Line) -> None:
        """One connection, to its end; to its cut; or until there was enough of it."""
        self.connections += 1
        enough = int(self._rng.expovariate(1 / 100)) + 1
        try:
            stream = SURFACES[self.surface](line, self.execution, self._cursor)
            async with aclosing(stream) as told:
                async for given in told:
                    for heard in self._spoil(given):
                        self._hear(heard)
                    enough -= given.event is not None
                    if self.over or not enough:
                        return
                    await asyncio.sleep(self._pause())
                self.over = True
        except CUT:
            pass

    def _hear(self, heard: Heard) -> None:
        if heard.event is not None:
            self.heard.append(heard.event)
            if self.execution is None and heard.event["execution_id"] == self._mark:
                self.over = heard.event["type"] in ENDS
        elif not self.heard and self.began is None:
            self.began = heard.cursor
        self._cursor = heard.cursor if heard.cursor is not None else self._cursor
