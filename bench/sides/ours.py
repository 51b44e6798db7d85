"""Our side: an execution of the open house as its users have it, nothing turned off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import assay

from .rounds import Inputs, Run, Side

Document = Mapping[str, Any]


async def noop() -> int:
    return 1


def side(
    name: str,
    document: Document,
    inputs: Inputs = dict,
    functions: Mapping[str, Callable[..., Awaitable[Any]]] | None = None,
    at_once: int = 1,
    fuse: bool = True,
    store: Callable[[], str] | None = None,
) -> Side:
    """Executions of one definition; a run is `at_once` of them, all started together.

    `store` gives the URL of an empty one; else it is SQLite, in a folder.

    A list of deterministic steps is one node of the graph, and needs no superstep, unless
    `fuse` is False: then each step is a node, as an agentic or a waiting step always is.
    """

    @asynccontextmanager
    async def open(folder: Path) -> AsyncIterator[Run]:
        url = store() if store else None
        async with assay.open(url, home=folder, workspace=folder) as app:
            app.function("noop", noop)
            for called, function in (functions or {}).items():
                app.function(called, function)
            workflow = await app.register(document)

            async def unfused() -> None:
                started = await app.manager.start(workflow, inputs(), fuse=False)
                ended = await app.wait(started.id)
                assert ended.status is assay.Status.COMPLETED

            async def one() -> None:
                await (app.run(workflow, inputs()) if fuse else unfused())

            async def run() -> None:
                await asyncio.gather(*[one() for _ in range(at_once)])

            yield run

    return Side(f"Assay, {name}", open)


def chain(kind: str, steps: int = 10) -> Document:
    """A list of no-op steps: `python` calls an async function, `set` writes a constant."""
    by_kind = {"python": {"function": "noop"}, "set": {"values": {"value": 1}}}
    return {
        "name": f"{kind}-chain",
        "context": {"mutable": {"value": 0}},
        "steps": [{"id": f"s{i}", "type": kind, **by_kind[kind]} for i in range(steps)],
    }
