"""Workflows that events begin, and the waiting for what comes of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from assay.api.app import open_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from assay.api.app import App
    from assay.graphs.execution import Execution
    from assay.graphs.firing import Firing

T = TypeVar("T")


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[App]:
    async with open_app(home=home, workspace=home) as app:
        app.manager.serve()
        async with app.triggers.running():
            yield app


def emits(name: str, event: str, *, on: str = "", **trigger: Any) -> Mapping[str, Any]:
    """A workflow that emits an event, each time that another comes."""
    waiting = [{"type": "event", "event": on, **trigger}] if on else []
    step = {"id": "say", "type": "emit", "event": event, "payload": {"from": name}}
    return {"name": name, "triggers": waiting, "steps": [step]}


def echoes(name: str, on: str, **trigger: Any) -> Mapping[str, Any]:
    """A workflow that says what came."""
    told = {"type": "event", "event": on, "with": {"came": "{{ payload }}"}, **trigger}
    say = {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "x"}}
    inputs = {"came": {"type": "object", "required": False}}
    return {"name": name, "inputs": inputs, "triggers": [told], "steps": [say]}


async def ran(app: App, workflow: str, count: int) -> Sequence[Execution]:
    """The executions of a workflow, oldest first, when there are so many and all have ended."""

    async def all_ended() -> Sequence[Execution]:
        page = await app.manager.executions(workflow=workflow, limit=1000)
        over = len(page.items) >= count and all(each.status.terminal for each in page.items)
        return page.items if over else ()

    return (await until(all_ended))[::-1]


async def firings(app: App, trigger: str, count: int) -> Sequence[Firing]:
    """What came of each firing, oldest first, when nobody deals with any more."""

    async def settled() -> Sequence[Firing]:
        page = await app.manager.store.firings(trigger=trigger)
        over = len(page.items) >= count and not any(each.status.open for each in page.items)
        return page.items if over else ()

    return (await until(settled))[::-1]


async def until(found: Callable[[], Awaitable[T]]) -> T:
    """What it gives, as soon as it gives something."""
    async with asyncio.timeout(60):
        while not (thing := await found()):  # noqa: ASYNC110 - it may be another process
            await asyncio.sleep(0.02)
    return thing
