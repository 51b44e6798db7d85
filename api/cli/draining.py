"""The end of whoever drives executions: what runs may end, the rest goes on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from ..app import App


async def drain(apps: Sequence[App], grace: float, stop: asyncio.Event) -> None:
    """Until what ran has ended or its time has; or at once, if somebody says so again."""
    stop.clear()
    draining = asyncio.ensure_future(_drain(apps, grace))
    again = asyncio.ensure_future(stop.wait())
    await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
    draining.cancel()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    with suppress(asyncio.CancelledError):
        await draining


async def _drain(apps: Sequence[App], grace: float) -> None:
    await asyncio.gather(*(app.manager.drain(grace) for app in apps))
