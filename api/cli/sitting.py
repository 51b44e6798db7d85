"""Sitting in front of one execution: what was said of it already, what is said now, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graphs.event import Event
from ...graphs.execution import Execution
from ...graphs.program import Program
from .exits import CANCELLED, CODES, WAITING
from .prompt import attended
from .screen import Screen, screen
from .standing import Standing
from .tree import Tree
from .watch import Watch

if TYPE_CHECKING:
    from ...graphs.manager import Manager


@dataclass(frozen=True, slots=True)
class Showing:
    """How it is shown. `quiet` leaves out everything but the end; `ask` whoever sits there."""

    json: bool = False
    quiet: bool = False
    ask: bool = True


class Sitting:
    """Watch inside the app; `end` outside of it, when the execution has been let go of."""

    def __init__(self, manager: Manager, execution: Execution, shown: Screen, asks: bool) -> None:
        self._manager = manager
        self._execution = execution
        self._screen = shown
        self._asks = asks
        self._after = 0
        self._stopped = False
        self._standing: Standing | None = None

    @classmethod
    def of(
        cls, manager: Manager, execution: Execution, program: Program, showing: Showing
    ) -> Sitting:
        """In front of an execution of the program."""
        tree = Tree(f"{execution.workflow}@{execution.version}", program.steps)
        shown = screen(tree, json=showing.json, quiet=showing.quiet)
        asks = showing.ask and not (showing.json or showing.quiet) and attended()
        return cls(manager, execution, shown, asks)

    @classmethod
    async def again(
        cls, manager: Manager, execution: Execution, showing: Showing, *, inherited: bool = False
    ) -> Sitting:
        """In front of one of which much was said already.

        `inherited`: only by the execution that it goes on from, so that its id is still news.
        """
        document = await manager.store.workflow_by_digest(execution.digest)
        sitting = cls.of(manager, execution, await manager.load(document), showing)
        # The first entry of a journal is what an execution begins with.
        first = (await manager.store.entries(execution.id, limit=1)).items[0]
        async for event in manager.events(execution.id):
            if inherited and event.seq > first.last:
                break
            tell = sitting._screen.hear if inherited and event.seq == 1 else sitting._screen.recall
            tell(event)
            sitting._after = event.seq
        return sitting

    async def watch(self, stop: asyncio.Event, heard: AsyncIterator[Event]) -> Standing:
        """Until it has ended, or waits for somebody else; `stop` stops the execution.

        `heard`: its events, subscribed to before it was driven.
        """
        watch = Watch(self._manager, self._screen, stop, asks=self._asks)
        self._standing = await watch.end(self._execution, heard, after=self._after)
        self._stopped = stop.is_set()
        return self._standing

    def end(self) -> int:
        """Show where it stands; returns the exit code."""
        assert self._standing is not None
        self._screen.end(self._standing)
        status = self._standing.execution.status
        if self._stopped and not status.terminal:
            return CANCELLED
        return CODES.get(status, WAITING)
