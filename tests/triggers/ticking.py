"""An app whose triggers have a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from assay.api.app import App, open_app
from assay.graphs.firing import Firing, Trigger
from assay.graphs.listing import every
from assay.triggers.clock import Clock

WORKFLOW = {"name": "w", "steps": [{"id": "s", "type": "skill", "skill": "echo"}]}
NOON = datetime.fromisoformat("2026-03-02T12:00:00Z").timestamp()
HOUR = 3600.0


class House:
    """An app whose triggers have a clock that the test moves."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.time = NOON
        self.desk = app.triggers.desk
        self.desk.now = lambda: self.time
        self.clock = Clock(self.desk)

    async def cron(self, **fields: Any) -> Trigger:
        """A trigger of `w`, hourly unless it says otherwise."""
        return await self.desk.create("w", {"type": "cron", "schedule": "@hourly", **fields})

    async def at(self, moment: float) -> None:
        """Look at what is due then."""
        self.time = moment
        await self.clock.look()

    async def fired(self, trigger: Trigger) -> list[str]:
        """The times of day that it was fired for, oldest first."""
        return sorted(firing.payload["due"][11:16] for firing in await self.firings(trigger))

    async def firings(self, trigger: Trigger) -> list[Firing]:
        read = self.desk.store.firings
        return [f async for f in every(read, trigger=trigger.id)]


@asynccontextmanager
async def opened(folder: Path, store: str | None = None) -> AsyncIterator[House]:
    async with open_app(store, home=folder, workspace=folder, environ={}) as app:
        await app.manager.register(WORKFLOW)
        yield House(app)
