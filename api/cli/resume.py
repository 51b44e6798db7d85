"""`assay resume`: go on with one execution, or with every one that nobody drives."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from ...graphs.errors import AssayError
from ...graphs.execution import Execution, Status
from ...graphs.fold import last_seq
from ..app import open_app
from .exits import CANCELLED, CODES, OK, WAITING, worst
from .local import LocalSite
from .lookup import MANY
from .opened import here_only, open_site
from .output import Output
from .run import say_turn
from .screen import Screen
from .signals import signals
from .sitting import Showing, Sitting
from .standing import Standing
from .text import clean, duration, first_line, plural, seconds_between
from .watch import Watch

if TYPE_CHECKING:
    from ..app import App
    from .site import Site

_SWEEP = 0.5
"""Seconds between two looks for what nobody drives."""


async def resume(given: str, showing: Showing) -> int:
    """Go on with one execution, and show it like `run`.

    Raises `ExecutionNotFound`, or `NotPossible` when it has ended.
    """
    with signals() as stop:
        async with open_site() as site:
            id = await site.whole_id(given)
            sitting = await go_on(site, id, showing, stop)
            if sitting is None:
                return OK
    return sitting.end()


async def go_on(
    site: Site, execution_id: str, showing: Showing, stop: asyncio.Event
) -> Sitting | None:
    """Drive the execution from here, unless somebody does: then say so, and return None."""
    execution = await site.row(execution_id)
    sitting = await Sitting.again(site, execution, showing)
    ear = site.hear(execution_id)
    execution = await site.resume(execution_id)
    if not site.far and await site.elsewhere(execution_id):
        Output(sys.stderr).line(
            f"another process drives {execution_id}: it goes on there; to watch it: "
            f"assay logs -f {execution_id}"
        )
        return None
    await say_turn(site, execution)
    await sitting.watch(stop, ear)
    return sitting


async def resume_all(*, json: bool, quiet: bool) -> int:
    """Go on with every execution that nobody drives, until none is left that can.

    They are not stopped by a signal, but let go of.
    """
    out = Output()
    here_only("resume")
    with signals() as stop:
        async with open_app() as app:
            standings = await _Everything(app, stop, out, json=json, quiet=quiet).end()
            if stop.is_set():
                Output(sys.stderr).line("stopping …: letting go of what runs; it goes on later")
    if not json:
        counts = Counter(standing.execution.status for standing in standings)
        said = [f"{counts[status]} {status}" for status in Status if counts[status]]
        out.line(", ".join(said) if said else "nothing is left to go on with")
    if stop.is_set():
        return CANCELLED
    return worst(CODES.get(standing.execution.status, WAITING) for standing in standings)


class _Everything:
    """Whatever can go on, all at once."""

    def __init__(
        self, app: App, stop: asyncio.Event, out: Output, *, json: bool, quiet: bool
    ) -> None:
        self._manager = app.manager
        self._site = LocalSite(app)
        self._stop = stop
        self._out = out
        self._json = json
        self._quiet = quiet
        self._left: list[Standing] = []
        self._refused: set[str] = set()
        self._watched: dict[str, asyncio.Task[None]] = {}

    async def end(self) -> list[Standing]:
        """Where each stands when nothing of it can go on by itself any more."""
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                await self._take()
                if not self._watched:
                    break
                tasks = [stopping, *self._watched.values()]
                await asyncio.wait(tasks, timeout=_SWEEP, return_when=asyncio.FIRST_COMPLETED)
                for id in [id for id, task in self._watched.items() if task.done()]:
                    self._watched.pop(id).result()
        finally:
            for task in (stopping, *self._watched.values()):
                task.cancel()
            await asyncio.gather(stopping, *self._watched.values(), return_exceptions=True)
        return self._left

    async def _take(self) -> None:
        store = self._manager.store
        for id in await store.ready(store.worker, now=time.time(), limit=MANY):
            if id in self._watched or id in self._refused:
                continue
            execution = await store.execution(id)
            # What somebody paused goes on when somebody says so.
            if execution.status is not Status.PAUSED:
                self._watched[id] = asyncio.create_task(self._watch(execution))

    async def _watch(self, execution: Execution) -> None:
        known = await last_seq(self._manager.store, execution.id)
        ear = self._site.hear(execution.id)
        try:
            await self._manager.resume(execution.id)
        except AssayError as error:
            self._refused.add(execution.id)
            Output(sys.stderr).line(f"error: {execution.id}: {clean(error.message)}")
            self._left.append(Standing(execution))
            return
        never = asyncio.Event()
        standing = await Watch(self._site, Screen(), never).end(execution, ear, after=known)
        self._left = [s for s in self._left if s.execution.id != execution.id] + [standing]
        if self._json:
            self._out.json(standing.to_dict(), indent=False)
        elif not self._quiet:
            self._out.line(_said(standing))


def _said(standing: Standing) -> str:
    """`0198…  release@1  completed in 3s`."""
    execution = standing.execution
    lasted = duration(seconds_between(execution.started_at, execution.completed_at))
    ended = f" in {lasted}" if execution.status.terminal and lasted else ""
    why = ""
    if execution.error is not None and execution.status is Status.FAILED:
        why = f": {first_line(execution.error.message)}"
    elif standing.questions:
        asked = sum(not question.timed for question in standing.questions)
        for_what = f" for {plural(asked, 'answer')}" if asked else ""
        why = f"{for_what}: assay status {execution.id}"
    name = f"{execution.workflow}@{execution.version}"
    return f"{execution.id}  {name}  {execution.status}{ended}{why}"
