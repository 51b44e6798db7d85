"""The part of a client that makes, fires and reads triggers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ...graphs.firing import Firing, Trigger
from ..triggers import Timed
from .asking import Asking
from .reading import firing_of, segment, trigger_of

_LOOK = 0.3
"""Seconds between two looks at a firing of which something is to come."""


class Triggers(Asking):
    def triggers(
        self, *, workflow: str | None = None, type: str | None = None
    ) -> AsyncGenerator[Trigger]:
        """Triggers by id; of one workflow, or of one type. What a kind remembers is not told."""
        return self._listed("/v1/triggers", trigger_of, workflow=workflow, type=type)

    async def trigger(self, id: str) -> Trigger:
        """Raises `TriggerNotFound`."""
        return trigger_of(await self._get(_place(id)))

    async def create_trigger(
        self, workflow: str, document: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        """One beside those of the definition, written as in its `triggers`. Raises
        `WorkflowNotFound`, `InvalidSpec`, `NotPossible` for an id that is taken."""
        body = {"workflow": workflow, "version": version, "trigger": dict(document)}
        return trigger_of(await self._server.ask("POST", "/v1/triggers", json=body))

    async def delete_trigger(self, id: str) -> None:
        """Forget it; its firings stay. Raises `NotPossible` for one of a definition."""
        await self._server.ask("DELETE", _place(id))

    async def set_trigger_enabled(self, id: str, enabled: bool) -> Trigger:
        """Switch it on or off; what the clock missed while it was off is not made up for."""
        body = {"enabled": enabled}
        return trigger_of(await self._server.ask("PATCH", _place(id), json=body, again=True))

    async def fire_trigger(
        self,
        id: str,
        payload: Any = None,
        *,
        attributes: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Firing:
        """Fire it by hand; durable when this returns, whatever comes of it (`settled`).

        However often the connection breaks, it is fired once. With a `key` of one's own that
        holds for whoever calls again with it, too. Raises `NotPossible` for one that is
        switched off.
        """
        body = {"payload": payload, "attributes": dict(attributes or {})}
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        place = f"{_place(id)}/fire"
        return firing_of(
            await self._server.ask("POST", place, json=body, headers=headers, again=True)
        )

    def firings(
        self, *, trigger: str | None = None, status: str | None = None
    ) -> AsyncGenerator[Firing]:
        """What came of each time that a trigger fired, newest first."""
        return self._listed("/v1/firings", firing_of, trigger=trigger, status=status)

    async def firing(self, id: str) -> Firing:
        """Raises `FiringNotFound`."""
        return firing_of(await self._get(f"/v1/firings/{segment(id)}"))

    async def settled(self, firing: Firing, seconds: float = 60.0) -> Firing:
        """The firing when something has come of it, or as it is after so many seconds. When it
        is `started`, its `execution_id` is one that can be followed and waited for."""
        end = time.monotonic() + seconds
        while firing.status.open and time.monotonic() < end:
            await asyncio.sleep(min(_LOOK, max(0.0, end - time.monotonic())))
            firing = await self.firing(firing.id)
        return firing

    async def replay_firing(self, id: str) -> Firing:
        """Try again what is dead, or was dropped or skipped. Raises `NotPossible`."""
        return firing_of(await self._server.ask("POST", f"/v1/firings/{segment(id)}/replay"))

    async def schedules(self, *, count: int = 5) -> AsyncGenerator[Timed]:
        """Triggers that the clock fires, each with so many of its next due times (seconds since
        1970) and its schedule in words."""
        async for found in self._listed("/v1/schedules", dict, count=count):
            due = [datetime.fromisoformat(each).timestamp() for each in found["next"]]
            yield Timed(trigger_of(found), due, found["says"])

    async def backfill(self, id: str, start: datetime, end: datetime) -> Sequence[Firing]:
        """Fire it for each of its due times in a range that has passed, 1,000 at most, and each
        of those once, however often this is asked for. Times without a zone are local ones."""
        body = {
            name: each.astimezone().isoformat() for name, each in (("start", start), ("end", end))
        }
        place = f"/v1/schedules/{segment(id)}/backfill"
        found = await self._server.ask("POST", place, json=body, again=True)
        return [firing_of(each) for each in found]


def _place(id: str) -> str:
    return f"/v1/triggers/{segment(id)}"
