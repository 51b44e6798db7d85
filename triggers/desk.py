"""The one registry of triggers, and where every firing is written down."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from ..graphs.errors import (
    NotPossible,
    StoreError,
    TriggerNotFound,
    WorkflowNotFound,
)
from ..graphs.execution import new_id
from ..graphs.firing import Firing, FiringStatus, Trigger, firing_id
from ..graphs.listing import every
from ..graphs.profiles import bounded
from ..graphs.registry import Registry
from ..graphs.trigger import NOTIFICATION, BoundTrigger, TriggerKind, TriggerSpec
from ..graphs.triggering import numbered
from ..graphs.units import format_moment
from .payload import plain

if TYPE_CHECKING:
    from ..graphs.manager import Manager
    from ..graphs.ports import Store
    from ..graphs.workflow import Workflow

LEAST = "restricted"
"""The security profile of what nobody answers for."""

_KNOWN = 256
"""Compiled triggers that are kept ready."""

_LOOK = 0.1
"""Seconds between two looks at a firing that another process deals with."""

_TRIES = 20
"""How often a change of a row is tried that others change as well."""


class Desk:
    """Makes, changes and fires triggers. `now` tells the time, in seconds since 1970."""

    def __init__(
        self,
        manager: Manager,
        kinds: Registry[TriggerKind],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.manager = manager
        self.kinds = kinds
        self.now = now
        self.fired: Callable[[Firing], None] = lambda _: None
        self.changed: Callable[[], None] = lambda: None
        self.making: list[Callable[[Trigger], Awaitable[None]]] = []
        self._bound: OrderedDict[bytes, BoundTrigger] = OrderedDict()
        self._settling: dict[str, set[asyncio.Event]] = {}

    @property
    def store(self) -> Store:
        return self.manager.store

    async def declare(self, name: str, *, by: str | None = None, profile: str = "") -> None:
        """Have the triggers that the newest version of a workflow declares, and no others that
        another version did; none of it when no version is left.

        What people switched off stays off, what a kind remembers stays. Whatever was cut off is
        made up for by doing it again. Without `by` those that are there stay whose they are,
        and others may do least.
        """
        for _ in range(_TRIES):
            digest, wanted = await self._wanted(name)
            async for kept in every(self.store.triggers, workflow=name):
                if kept.declared and kept.id not in wanted:
                    await self.store.delete_trigger(kept.id)
            for id, (spec, document) in wanted.items():
                await self._declared(id, name, spec, document, by, profile)
            self.changed()
            # Whoever registers a newer one at this moment may have been first to get here.
            if digest == (await self._wanted(name))[0]:
                return
        raise _busy(name)

    async def _wanted(
        self, name: str
    ) -> tuple[str | None, dict[str, tuple[TriggerSpec, Mapping[str, Any]]]]:
        """The digest of the newest version, and what it declares, by id."""
        try:
            workflow = await self._workflow(name, None)
        except WorkflowNotFound:
            return None, {}
        tells = workflow.document.get("notifications") or ()
        declared = [
            *(workflow.document.get("triggers") or ()),
            *({"type": NOTIFICATION, **each} for each in tells),
        ]
        both = zip(numbered(workflow), declared, strict=True)
        return workflow.digest, {f"{name}.{id}": (spec, each) for (id, spec), each in both}

    async def _declared(
        self,
        id: str,
        workflow: str,
        spec: TriggerSpec,
        document: Mapping[str, Any],
        by: str | None,
        profile: str,
    ) -> None:
        for _ in range(_TRIES):
            least = by is None
            fresh = self._new(id, workflow, spec, document, by or "", LEAST if least else profile)
            try:
                kept = await self.store.trigger(id)
            except TriggerNotFound:
                if await self._put_made(replace(fresh, declared=True)):
                    return
                continue
            if least:
                fresh = replace(fresh, by=kept.by, profile=kept.profile)
            if kept.document == document and kept.declared and kept.profile == fresh.profile:
                return
            # An unchanged clock goes on where it was; one that was changed begins anew.
            same = kept.type == fresh.type and _by_the_clock(kept) == _by_the_clock(fresh)
            changed = replace(
                fresh,
                declared=True,
                enabled=kept.enabled if kept.declared else fresh.enabled,
                created_at=kept.created_at,
                next_at=kept.next_at if same else fresh.next_at,
                memory=kept.memory if same else {},
                revision=kept.revision + 1,
            )
            if await self._put_made(changed):
                return
        raise _busy(id)

    async def create(
        self,
        workflow: str,
        document: Mapping[str, Any],
        *,
        version: str | None = None,
        by: str = "",
        profile: str = "",
    ) -> Trigger:
        """A trigger beside those of the definition, `<workflow>.<its id, or its type>`.

        Raises `WorkflowNotFound`, `InvalidSpec` with every problem, `NotPossible` for an id
        that is taken.
        """
        target = await self._workflow(workflow, version)
        name = str(document.get("id") or document.get("type") or "")
        bound = self.manager.launches.trigger(document, name, target)
        id = f"{workflow}.{name}"
        made = replace(self._new(id, workflow, bound.spec, document, by, profile), version=version)
        if not await self._put_made(made):
            raise NotPossible(
                f"there is a trigger {id!r} already; delete it first, or give an `id`"
            )
        self.changed()
        return made

    async def _put_made(self, trigger: Trigger) -> bool:
        for prepare in self.making:
            await prepare(trigger)
        return await self.store.put_trigger(trigger)

    def _new(
        self,
        id: str,
        workflow: str,
        spec: TriggerSpec,
        document: Mapping[str, Any],
        by: str,
        profile: str,
    ) -> Trigger:
        return Trigger(
            id,
            workflow,
            spec.kind,
            document,
            enabled=spec.enabled,
            by=by,
            profile=bounded(profile),
            created_at=format_moment(self.now()),
            next_at=spec.initial(self.now()) if spec.enabled else None,
        )

    async def enable(self, id: str, enabled: bool) -> Trigger:
        """Switch it on or off. The clock of one that is switched on begins now: what was due
        meanwhile is not made up for. Raises `TriggerNotFound`."""

        async def switched(kept: Trigger) -> Trigger:
            if kept.enabled == enabled:
                return kept
            # What nobody can read any more can still be switched off.
            due = (await self.spec(kept)).initial(self.now()) if enabled else None
            return replace(kept, enabled=enabled, next_at=due)

        trigger = await self.change(id, switched)
        self.changed()
        return trigger

    async def change(self, id: str, by: Callable[[Trigger], Awaitable[Trigger]]) -> Trigger:
        """The trigger as `by` makes it from what is kept, whoever else changes it meanwhile."""
        for _ in range(_TRIES):
            kept = await self.store.trigger(id)
            changed = replace(await by(kept), revision=kept.revision)
            if changed == kept:
                return kept
            changed = replace(changed, revision=kept.revision + 1)
            if await self.store.put_trigger(changed):
                return changed
        raise _busy(id)

    async def delete(self, id: str) -> None:
        """Raises `TriggerNotFound`, `NotPossible` for one of a definition."""
        kept = await self.store.trigger(id)
        if kept.declared:
            raise NotPossible(
                f"the trigger {id!r} is of the definition of {kept.workflow!r}: take it out there, "
                "or switch it off"
            )
        await self.store.delete_trigger(id)
        self.changed()

    async def spec(self, trigger: Trigger) -> TriggerSpec:
        """What its author wrote, read. Raises `InvalidSpec`, `WorkflowNotFound`."""
        return (await self.bound(trigger)).spec

    async def bound(self, trigger: Trigger) -> BoundTrigger:
        """The same, compiled for the version that it starts."""
        workflow = await self._workflow(trigger.workflow, trigger.version)
        key = orjson.dumps([trigger.id, workflow.digest, trigger.document])
        if (known := self._bound.get(key)) is not None:
            self._bound.move_to_end(key)
            return known
        id = trigger.id.removeprefix(f"{trigger.workflow}.")
        bound = self.manager.launches.trigger(trigger.document, id, workflow)
        self._bound[key] = bound
        if len(self._bound) > _KNOWN:
            self._bound.popitem(last=False)
        return bound

    async def _workflow(self, name: str, version: str | None) -> Workflow:
        document = await self.store.workflow(name, version)
        return (await self.manager.load(document)).workflow

    async def fire(
        self,
        trigger: Trigger,
        payload: Any = None,
        *,
        attributes: Mapping[str, str] | None = None,
        id: str | None = None,
        depth: int = 0,
        due: float | None = None,
        by: str = "",
        profile: str = "",
        execution_id: str = "",
    ) -> Firing:
        """Write down that it fired; durable when this returns, whatever comes of it later.

        The same `id` of what came again is the same firing. `due` is when it is to begin, in
        seconds since 1970; at once when None. `execution_id` is what a notification tells of,
        another one for all that begin one. Raises `NotPossible` for a trigger that is switched off,
        `InvalidInput` for a payload that JSON cannot hold or that is too large.
        """
        if not trigger.enabled:
            raise NotPossible(f"the trigger {trigger.id!r} is switched off; enable it first")
        if trigger.type == NOTIFICATION and not execution_id:
            raise NotPossible(f"{trigger.id!r} tells of what happens to executions: begin one")
        now = self.now()
        execution = execution_id or new_id()
        came = execution if id is None else id
        firing = Firing(
            firing_id(trigger.id, came),
            trigger.id,
            trigger.workflow,
            format_moment(now),
            execution,
            payload=plain(payload),
            attributes=plain(attributes or {}),
            due=now if due is None else due,
            depth=depth,
            by=by,
            profile=bounded(profile),
        )
        if not await self.store.put_firing(firing):
            return await self.store.firing(firing.id)
        self.fired(firing)
        return firing

    async def replay(self, firing_id: str, *, by: str = "", profile: str = "") -> Firing:
        """Try a firing again that is dead, or was dropped or skipped, with another execution,
        which exceeds neither the firing's profile nor this one.

        Raises `FiringNotFound`, `NotPossible` for one that is not."""
        again = (FiringStatus.DEAD, FiringStatus.DROPPED, FiringStatus.SKIPPED)
        for _ in range(_TRIES):
            kept = await self.store.firing(firing_id)
            if kept.status not in again:
                raise NotPossible(f"firing {kept.id} is {kept.status}: there is nothing to replay")
            fresh = replace(
                kept,
                status=FiringStatus.PENDING,
                execution_id=await self._again(kept),
                by=by or kept.by,
                profile=bounded(kept.profile, profile),
                # One without a workflow is a letter: the chat desk looks for it, nobody else.
                due=self.now() if kept.workflow else None,
                attempts=0,
                lane="",
                into="",
                reason="",
                revision=kept.revision + 1,
            )
            if await self.store.put_firing(fresh):
                self.fired(fresh)
                return fresh
        raise _busy(firing_id)

    async def _again(self, firing: Firing) -> str:
        """The execution that a firing names when it is tried again."""
        try:
            tells = (await self.store.trigger(firing.trigger)).type == NOTIFICATION
        except TriggerNotFound:
            tells = False
        return firing.execution_id if tells else new_id()

    async def settled(self, firing: Firing, seconds: float, *, over: bool = False) -> Firing:
        """The firing when something has come of it, or as it is after so many seconds. One that
        waits for its turn is settled, unless it is to be `over`."""

        def open(firing: Firing) -> bool:
            return firing.status.open if over else firing.status is FiringStatus.PENDING

        event = asyncio.Event()
        self._settling.setdefault(firing.id, set()).add(event)
        try:
            async with asyncio.timeout(seconds):
                while open(firing):
                    firing = await self.store.firing(firing.id)
                    if open(firing):
                        await _any_of(event, _LOOK)
        except TimeoutError:
            firing = await self.store.firing(firing.id)
        finally:
            waiting = self._settling[firing.id]
            waiting.discard(event)
            if not waiting:
                del self._settling[firing.id]
        return firing

    def settle(self, firing: Firing) -> None:
        """Tell whoever waits here that something has come of it."""
        for event in self._settling.get(firing.id, ()):
            event.set()


async def _any_of(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()


def _by_the_clock(trigger: Trigger) -> Mapping[str, Any]:
    """What of a document decides when it is due."""
    beside = {"if", "with", "key", "overlap", "description", "priority", "debounce", "throttle"}
    return {name: value for name, value in trigger.document.items() if name not in beside}


def _busy(id: str) -> StoreError:
    return StoreError(f"{id} is changed by others all the time; try again")
