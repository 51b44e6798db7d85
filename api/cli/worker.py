"""`assay worker`: drive whatever nobody drives, until a signal says that it is enough."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ...graphs.event import Event, EventType
from ..app import open_app
from .exits import OK
from .following import LAST
from .lines import describe
from .output import Output
from .signals import signals
from .text import local_time

if TYPE_CHECKING:
    from ...graphs.manager import Manager

_TOLD = frozenset(
    {
        EventType.EXECUTION_STARTED,
        EventType.EXECUTION_RESUMED,
        EventType.EXECUTION_RESTARTING,
        EventType.EXECUTION_WAITING,
        EventType.EXECUTION_PAUSED,
        EventType.EXECUTION_COMPLETED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
    }
)


async def worker(*, json: bool, quiet: bool) -> int:
    """Work until a signal comes; then let go of everything, so that it goes on elsewhere."""
    out = Output()
    with signals() as stop:
        async with open_app() as app:
            telling = asyncio.create_task(_tell(app.manager, out, json=json, quiet=quiet))
            app.manager.serve()
            if not json and not quiet:
                out.line(f"working as {app.manager.store.worker}; Ctrl-C ends it in order")
            await stop.wait()
            Output(sys.stderr).line("stopping …: letting go of what runs; it goes on elsewhere")
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
    return OK


async def _tell(manager: Manager, out: Output, *, json: bool, quiet: bool) -> None:
    """A line for whatever happens to an execution as a whole."""
    names: dict[str, str] = {}
    async for event in manager.follow():
        if event.type not in _TOLD:
            continue
        if json:
            out.json(event.to_dict(), indent=False)
        elif not quiet:
            out.line(await _line(manager, event, names))


async def _line(manager: Manager, event: Event, names: dict[str, str]) -> str:
    id = event.execution_id
    if id not in names:
        execution = await manager.store.execution(id)
        names[id] = f"{execution.workflow}@{execution.version}"
    name = names.pop(id) if event.type in LAST else names[id]
    return f"{local_time(event.at)}  {id}  {name}  {describe(event)}"
