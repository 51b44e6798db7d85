"""`assay serve`: the API over HTTP, and a worker in the same process, until a signal."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphs.errors import ConfigurationError
from ..chatting import chat_desk
from ..duty import read_duty
from ..http.front import read_front
from ..http.gate import loopback
from ..http.requests import write_requests
from ..opening import identity, read_tenants
from ..serving import served
from ..settings import read_settings
from ..surfaces import application
from ..tenants import Tenants
from .draining import drain
from .exits import OK
from .opened import here_only
from .output import Output
from .signals import signals
from .starting import watching
from .workers import read_workers
from .workers import workers as beginning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..http.asking import Desk
    from ..identity import Identity


async def serve(
    *,
    host: str,
    port: int,
    grace: float | None,
    concurrency: int | None,
    workers: int | None,
    verbose: bool,
    quiet: bool,
) -> int:
    """Answer and work until a signal comes; then end in order.

    With `workers`, so many other processes do the work, and this one only answers.

    Raises `ConfigurationError` for an address that others reach while nobody needs a key.
    """
    here_only("serve")
    environ = dict(os.environ)
    if concurrency is not None:
        environ["ASSAY_MAX_EXECUTIONS"] = str(concurrency)
    settings = read_settings(environ)
    duty, front = read_duty(settings.environ, grace=grace), read_front(settings.environ)
    count = read_workers(settings.environ, workers)
    out, err = Output(), Output(sys.stderr)
    if verbose:
        write_requests()
    with signals() as stop:
        async with AsyncExitStack() as stack:
            tenants = Tenants(settings, Path.cwd(), read_tenants(settings.environ))
            await stack.enter_async_context(tenants)
            who = identity(settings.environ, tenants)
            await _safe(host, who)
            app = application(tenants, who, front)
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            counting = [
                asyncio.create_task(app.state.desk.metrics.listen(each.manager))
                for each in tenants.apps
            ]
            stack.callback(_cancel, counting)
            for each in tenants.apps:
                each.manager.leaves = count > 0
                if not count:
                    each.manager.serve()
            await _chat(tenants, settings.environ, app.state.desk, stack)
            firing = await stack.enter_async_context(AsyncExitStack())
            for each in tenants.apps:
                await firing.enter_async_context(each.triggers.running())
            url = await stack.enter_async_context(served(app, address))
            beside = beginning(count, tenants.names, duty.grace, environ, err)
            others = await stack.enter_async_context(beside)
            if not quiet:
                out.line(f"serving at {url}; Ctrl-C ends it in order")
                for line in await watching(tenants, url, detailed=verbose):
                    out.line(line)
            await stop.wait()
            await firing.aclose()
            err.line(f"stopping …: steps have {duty.grace:g} s to end; the rest goes on elsewhere")
            await asyncio.gather(drain(tenants.apps, duty.grace, stop), others.end(stop))
    return OK


async def _chat(
    tenants: Tenants, environ: Mapping[str, str], desk: Desk, stack: AsyncExitStack
) -> None:
    """People who write to bots are heard, as far as the settings say."""
    chat = chat_desk(tenants.app(), environ)
    if chat is not None:
        stack.push_async_callback(chat.close)
        tenants.app().triggers.add("chat", chat.run)
        desk.chat = chat


async def _safe(host: str, who: Identity) -> None:
    if loopback(host) or await who.guarded():
        return
    raise ConfigurationError(
        f"others can reach {host!r}, and nobody needs a key yet, so that anybody could run "
        "anything on this machine. Make a key first: assay keys create NAME --role admin"
    )


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
