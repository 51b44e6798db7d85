"""Triggers: who may see, make, change and fire them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..graphs.errors import (
    FiringNotFound,
    InvalidInput,
    InvalidSpec,
    NotPossible,
    TriggerNotFound,
    WorkflowNotFound,
)
from ..graphs.firing import Firing, FiringStatus, Trigger
from ..graphs.stored import Page
from .access import Operation, covers
from .registering import Registering

if TYPE_CHECKING:
    from datetime import datetime

    from ..triggers.desk import Desk


class Timed(NamedTuple):
    """A trigger of the clock, its next due times (seconds since 1970), and its schedule in
    words, or what is wrong with it."""

    trigger: Trigger
    next: Sequence[float]
    says: str


class Triggering(Registering):
    """The part of `Control` that looks after what starts executions."""

    async def triggers(
        self,
        *,
        workflow: str | None = None,
        type: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Trigger]:
        """Triggers by id; of one workflow, or of one type. Raises `InvalidInput` for both."""
        self._allow(Operation.READ_TRIGGERS)
        if workflow is not None and type is not None:
            raise InvalidInput("give the workflow or the type of the triggers, not both")

        async def name(trigger: Trigger) -> str:
            return trigger.workflow

        read = partial(self._store.triggers, workflow=workflow, type=type)
        return await self._page(read, name, after, limit)

    async def trigger(self, id: str) -> Trigger:
        """Raises `TriggerNotFound`."""
        self._allow(Operation.READ_TRIGGERS)
        return await self._seen(id)

    async def create_trigger(
        self, workflow: str, document: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        """One beside those of the definition. What it starts exceeds no security profile of
        the asker's. Raises `WorkflowNotFound`, `InvalidSpec`, `NotPossible`."""
        self._there(workflow)
        await self._store.workflow(workflow, version)
        make = partial(
            self._triggers.create,
            workflow,
            document,
            version=version,
            by=self.asker.principal.id,
            profile=self._profile,
        )
        what = {"version": version, "profile": self._profile, "type": document.get("type")}
        return await self._change(Operation.CREATE_TRIGGER, workflow, workflow, make, what)

    async def delete_trigger(self, id: str) -> None:
        """Raises `TriggerNotFound`, `NotPossible` for one of a definition."""
        trigger = await self._seen(id)
        forget = partial(self._triggers.delete, id)
        await self._change(Operation.DELETE_TRIGGER, trigger.workflow, id, forget, {})

    async def set_trigger_enabled(self, id: str, enabled: bool) -> Trigger:
        """Switch it on or off. Raises `TriggerNotFound`."""
        trigger = await self._seen(id)
        return await self._change(
            Operation.SWITCH_TRIGGER,
            trigger.workflow,
            id,
            partial(self._triggers.enable, id, enabled),
            {"enabled": enabled},
        )

    async def fire_trigger(
        self,
        id: str,
        payload: Any = None,
        *,
        attributes: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Firing:
        """Fire it by hand; durable when this returns. The same `key` again is the same firing.

        Raises `TriggerNotFound`, `NotPossible` for one that is switched off, `InvalidInput`.
        """
        trigger = await self._seen(id)
        who = self.asker.principal
        fire = partial(
            self._triggers.fire,
            trigger,
            payload,
            attributes=attributes,
            # Nobody's key is another's, nor what a source of firings calls one.
            id=None if key is None else f"by/{who.id}/{key}",
            by=who.id,
            profile=self._profile,
        )
        return await self._change(Operation.FIRE_TRIGGER, trigger.workflow, id, fire, {})

    async def firings(
        self,
        *,
        trigger: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Firing]:
        """What came of each time that one fired, newest first."""
        self._allow(Operation.READ_TRIGGERS)
        if status is not None and status not in list(FiringStatus):
            there = ", ".join(FiringStatus)
            raise InvalidInput(f"{status!r} is no status of a firing; there are: {there}")
        wanted = None if status is None else FiringStatus(status)
        read = partial(self._store.firings, trigger=trigger, status=wanted)

        async def name(firing: Firing) -> str:
            return firing.workflow

        return await self._page(read, name, after, limit)

    async def firing(self, id: str) -> Firing:
        """Raises `FiringNotFound`."""
        self._allow(Operation.READ_TRIGGERS)
        return await self._fired(id)

    async def replay_firing(self, id: str) -> Firing:
        """Try again what is dead, or was dropped or skipped. Raises `FiringNotFound`,
        `NotPossible`."""
        firing = await self._fired(id)
        again = partial(
            self._triggers.replay, id, by=self.asker.principal.id, profile=self._profile
        )
        return await self._change(Operation.FIRE_TRIGGER, firing.workflow, id, again, {})

    async def schedules(
        self, *, count: int = 5, after: str | None = None, limit: int = 50
    ) -> Page[Timed]:
        """Triggers that the clock fires, with so many of their next due times."""
        page = await self.triggers(type="cron", after=after, limit=limit)
        return Page([await timed(self._triggers, each, count) for each in page.items], page.cursor)

    async def schedule(self, id: str, *, count: int = 5) -> Timed:
        """One of them. Raises `TriggerNotFound`, `NotPossible` for another kind of trigger."""
        trigger = await self.trigger(id)
        if trigger.type != "cron":
            raise NotPossible(
                f"{id!r} is a {trigger.type} trigger; only those of the clock are schedules"
            )
        return await timed(self._triggers, trigger, count)

    async def backfill(self, id: str, start: datetime, end: datetime) -> Sequence[Firing]:
        """Fire it for each of its due times in a range, and each of those once, however often
        this is asked for. Raises `TriggerNotFound`, `NotPossible`, `InvalidInput`."""
        from ..triggers.clock import backfill

        trigger, who = await self._seen(id), self.asker.principal.id
        fill = partial(
            backfill,
            self._triggers,
            trigger,
            start.timestamp(),
            end.timestamp(),
            by=who,
            profile=self._profile,
        )
        what = {"start": start.isoformat(), "end": end.isoformat()}
        return await self._change(Operation.FIRE_TRIGGER, trigger.workflow, id, fill, what)

    async def _seen(self, id: str) -> Trigger:
        trigger = await self._store.trigger(id)
        if not covers(self.asker.principal, trigger.workflow):
            raise TriggerNotFound.of(id)
        return trigger

    async def _fired(self, id: str) -> Firing:
        firing = await self._store.firing(id)
        if not covers(self.asker.principal, firing.workflow):
            raise FiringNotFound.of(id)
        return firing


async def timed(desk: Desk, trigger: Trigger, count: int) -> Timed:
    """A trigger of the clock with so many of its next due times."""
    from ..triggers.cron import CronTrigger, explain, upcoming

    try:
        spec = await desk.spec(trigger)
    except (InvalidSpec, WorkflowNotFound) as error:
        return Timed(trigger, (), error.message)
    assert isinstance(spec, CronTrigger)
    due = upcoming(spec, desk.now(), count) if trigger.enabled else ()
    return Timed(trigger, due, explain(spec))
