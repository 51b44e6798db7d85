"""An app whose notifications run by a clock that stands still until it is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import assay
from assay.api.triggering import trigger_kinds
from assay.graphs.firing import Firing, FiringStatus, Trigger
from assay.triggers.desk import Desk
from assay.triggers.notifications.notifier import Notifier, tell
from assay.triggers.notifications.sending import Sender
from assay.triggers.service import TriggerService

from .signing import NOW, SECRET

TOKEN = "token-nobody-may-read"
SAYS = {
    "name": "says",
    "inputs": {"fails": {"type": "boolean", "default": False}, "secret": {"default": ""}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "done"}},
        {"id": "check", "type": "assert", "condition": "!inputs.fails"},
    ],
}
ASKS = {
    "name": "asks",
    "steps": [
        {"id": "ok", "type": "approval", "message": "Ship it?"},
        {"id": "then", "type": "wait_event", "event": "go"},
    ],
}


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


class House:
    """An app whose notifications run by a clock that stands still."""

    def __init__(self, app: assay.App, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.desk = Desk(app.manager, trigger_kinds(), now=clock)
        self.service = TriggerService(self.desk)
        self.notifier = Notifier(self.desk, Sender(private=True, patience=3600))
        tell(self.service, private=True)

    async def tells(
        self, url: str, document: dict[str, Any] = SAYS, *, when: str = "true", **fields: Any
    ) -> Trigger:
        """A workflow with one notification."""
        self.clock.now = float(NOW)
        notifies = [{"url": url, "if": when, **fields}]
        workflow = await self.app.manager.register({**document, "notifications": notifies})
        await self.desk.declare(workflow.name)
        return await self.desk.store.trigger(f"{workflow.name}.notification")

    async def deliveries(self, wanted: int, trigger: str = "says.notification") -> list[Firing]:
        """So many of them, oldest first."""
        async with asyncio.timeout(60):
            while True:
                page = await self.desk.store.firings(trigger=trigger)
                if len(page.items) >= wanted:
                    return [*reversed(page.items)]
                await asyncio.sleep(0.02)

    async def until(self, firing: Firing, *statuses: FiringStatus) -> Firing:
        async with asyncio.timeout(60):
            while True:
                found = await self.desk.store.firing(firing.id)
                if found.status in statuses:
                    return found
                await asyncio.sleep(0.02)

    async def written(self, trigger: Trigger, execution: str = "x", seq: int = 1) -> Firing:
        """A delivery that nobody looks at but the test."""
        return await self.desk.fire(
            trigger, {"seq": seq}, id=f"{execution}/{seq}", execution_id="x"
        )

    async def tried(self, firing: Firing, attempt: int, trigger: Trigger) -> Firing:
        """What one try comes to."""
        trigger = await self.desk.store.trigger(trigger.id)
        bound = await self.desk.bound(trigger)
        return await self.notifier.deliver(replace(firing, attempts=attempt), trigger, bound)


@asynccontextmanager
async def opened(folder: Path, *, running: bool = True) -> AsyncIterator[House]:
    environ = {"ASSAY_SECRET_HOOK": SECRET, "ASSAY_SECRET_TOKEN": TOKEN}
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            assay.open(home=folder, workspace=folder, environ=environ)
        )
        app.manager.serve()
        house = House(app, Clock())
        if running:
            await stack.enter_async_context(house.service.running())
        yield house
