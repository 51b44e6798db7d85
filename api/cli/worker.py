"""`assay worker`: drive whatever nobody drives, until a signal, or until nothing is left to do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ...graphs.errors import StoreUnavailable
from ...graphs.event import Event, EventType
from ..app import App, open_app
from ..duty import Duty, read_duty
from ..opening import place_of
from ..settings import read_settings
from ..streams import LAST
from .draining import drain
from .exits import OK
from .lines import describe
from .opened import here_only
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


async def worker(
    *,
    json: bool,
    quiet: bool,
    concurrency: int | None = None,
    grace: float | None = None,
    health: str | None = None,
    idle_exit: float | None = None,
    tenant: str = "",
    attached: bool = False,
) -> int:
    """Work until a signal comes; then let go of everything, so that it goes on elsewhere.

    `attached`: also until standard input ends, as when whoever began this has died.
    """
    here_only("worker")
    environ = dict(os.environ)
    if concurrency is not None:
        environ["ASSAY_MAX_EXECUTIONS"] = str(concurrency)
    settings = read_settings(environ)
    store, home = place_of(settings, tenant)
    duty = read_duty(settings.environ, grace=grace, health=health, idle_exit=idle_exit)
    out, err = Output(), Output(sys.stderr)
    with signals() as stop:
        async with (
            open_app(store, home=home, environ=environ) as app,
            _healthy(app, duty) as url,
            AsyncExitStack() as triggers,
        ):
            if attached:
                await _attach(stop)
            telling = asyncio.create_task(_tell(app.manager, out, json=json, quiet=quiet))
            app.provider.serve(rings=duty.audience is None)
            firing = await triggers.enter_async_context(AsyncExitStack())
            if not attached:  # whoever began it fires them
                await firing.enter_async_context(app.triggers.running())
            if url and not quiet:
                err.line(f"how it is: {url}/readyz")
            if not json and not quiet:
                out.line(f"working as {app.manager.store.worker}; Ctrl-C ends it in order")
            enough = await _until_enough(app, duty, stop)
            await firing.aclose()
            if enough:
                if not attached:
                    err.line(
                        f"stopping …: steps have {duty.grace:g} s to end; "
                        "the rest goes on elsewhere"
                    )
                await drain([app], duty.grace, stop)
            elif not quiet:
                err.line("nothing is left to do")
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
    return OK


async def _attach(stop: asyncio.Event) -> None:
    """Have the end of standard input mean that this is to end."""

    class Ended(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Ended, sys.stdin)


@asynccontextmanager
async def _healthy(app: App, duty: Duty) -> AsyncIterator[str]:
    """Within, the worker says how it is where it was told to; yields that URL, or nothing."""
    if duty.health is None:
        yield ""
        return
    # Imported here: who is not asked for it pays nothing.
    from ..health import Pushing, health
    from ..serving import served

    pushing = None
    if duty.audience is not None:
        from ...store.pubsub.push import Keys

        pushing = Pushing(duty.audience, duty.sender, Keys())
    async with served(health(app, pushing), duty.health) as url:
        yield url


async def _until_enough(app: App, duty: Duty, stop: asyncio.Event) -> bool:
    """Until somebody says so (True), or nothing was to do for as long as it may idle."""
    if duty.idle_exit is None:
        return await stop.wait()
    loop = asyncio.get_running_loop()
    since, begun = loop.time(), app.provider.begun
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(duty.idle_exit / 4, 1.0)):
                return await stop.wait()
        if app.provider.busy or app.provider.begun != begun:
            since, begun = loop.time(), app.provider.begun
        elif loop.time() - since >= duty.idle_exit:
            if not await _wanted(app):
                return False
            since = loop.time()


async def _wanted(app: App) -> bool:
    """Whether something is to be done, or it cannot be known."""
    try:
        return await app.provider.wanted()
    except StoreUnavailable:
        return True


async def _tell(manager: Manager, out: Output, *, json: bool, quiet: bool) -> None:
    """A line for whatever happens to an execution as a whole."""
    names: dict[str, str] = {}
    async for event in manager.follow(own=True):
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
