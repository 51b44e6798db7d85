"""Sitting in front of one execution: what was said of it already, what is said now, its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graphs.execution import Execution
from ...graphs.program import Program
from .exits import CANCELLED, CODES, WAITING
from .prompt import attended
from .screen import Screen, screen
from .standing import Standing
from .tree import Tree
from .watch import Watch

if TYPE_CHECKING:
    from .site import Ear, Site


@dataclass(frozen=True, slots=True)
class Showing:
    """How it is shown. `quiet` leaves out everything but the end; `ask` whoever sits there."""

    json: bool = False
    quiet: bool = False
    ask: bool = True


class Sitting:
    """Watch inside the app; `end` outside of it, when the execution has been let go of."""

    def __init__(self, site: Site, execution: Execution, shown: Screen, asks: bool) -> None:
        self._site = site
        self._execution = execution
        self._screen = shown
        self._asks = asks
        self._after = 0
        self._stopped = False
        self._standing: Standing | None = None

    @classmethod
    def of(
        cls, site: Site, execution: Execution, program: Program | None, showing: Showing
    ) -> Sitting:
        """In front of an execution of the program, if that is known."""
        steps = () if program is None else program.steps
        tree = Tree(f"{execution.workflow}@{execution.version}", steps)
        shown = screen(tree, site.kept, json=showing.json, quiet=showing.quiet)
        asks = showing.ask and not (showing.json or showing.quiet) and attended()
        return cls(site, execution, shown, asks)

    @classmethod
    async def again(
        cls, site: Site, execution: Execution, showing: Showing, *, inherited: bool = False
    ) -> Sitting:
        """In front of one of which much was said already.

        `inherited`: only by the execution that it goes on from, so that its id is still news.
        """
        sitting = cls.of(site, execution, await site.program(execution), showing)
        async for event in site.events(execution.id):
            # What is inherited are steps; then it says that it begins.
            if inherited and event.seq > 1 and not event.path:
                break
            tell = sitting._screen.hear if inherited and event.seq == 1 else sitting._screen.recall
            tell(event)
            sitting._after = event.seq
        return sitting

    async def watch(self, stop: asyncio.Event, ear: Ear) -> Standing:
        """Until it has ended, or waits for somebody else; `stop` stops the execution.

        `ear`: open since before it was driven.
        """
        watch = Watch(self._site, self._screen, stop, asks=self._asks)
        self._standing = await watch.end(self._execution, ear, after=self._after)
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
