"""Follows what happens to executions, and sees to it that whoever wants to know is told."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from ...graphs.errors import (
    AssayError,
    ExecutionNotFound,
    NotAllowed,
    NotPossible,
    StoreError,
    TriggerNotFound,
)
from ...graphs.event import Event, EventType
from ...graphs.firing import Firing, FiringStatus, Trigger
from ...graphs.listing import every
from ...graphs.trigger import NOTIFICATION, BoundTrigger
from ..turns import ended
from ..watch import Watch
from ..webhooks.verification import standard_signature
from .sending import Answer, Sender
from .telling import told
from .trigger import NotificationTrigger, Occasion, occasion_of

if TYPE_CHECKING:
    from ..desk import Desk
    from ..service import TriggerService

DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Seconds from one try to the next: eight tries in close to four hours."""

LONGEST = 86_400.0
"""Seconds that a receiver may ask for (`Retry-After`)."""

DEAD_IN_A_ROW = 5
"""Deliveries that may fail for good, one after the other; then the notification is switched off."""

AT_ONCE = 16
"""Deliveries under way at once; of one notification a quarter of them (`TO_ONE`)."""

GONE = 410

TYPES = (
    *(EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED),
    *(EventType.EXECUTION_WAITING, EventType.QUESTION_ASKED),
)
"""Events that somebody may be told of."""

NAME = "notifications"
"""By which the place is kept up to which the log was followed."""

TO_ONE = AT_ONCE // 4

FARTHEST = 5.0
"""Seconds, and what two deliveries need, for which one that finds no room is put off at most:
a receiver that was slow may be fast again."""

USUAL = 0.2
"""Seconds that a delivery is taken to need before one was tried."""

_log = logging.getLogger("assay.notifications")


def tell(service: TriggerService, *, private: bool = False) -> None:
    """Have a service tell whoever wants to know; with `private` also at addresses that are not
    public."""
    desk = service.desk
    notifier = Notifier(desk, Sender(private=private))
    bus = desk.manager.services.bus
    watch = Watch(desk.store, bus, NAME, TYPES, notifier.heed, notifier.wanted)

    async def making(trigger: Trigger) -> None:
        if trigger.type == NOTIFICATION:
            await watch.mark()

    desk.making.append(making)
    service.on_change(watch.look)
    service.add("notifications", watch.run)
    service.dispatcher.outlets[NOTIFICATION] = notifier.deliver


class Notifier:
    """Events become firings of notifications, one for each, and firings are delivered."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        self._under_way: Counter[str] = Counter()
        self._put_off: dict[str, float] = {}
        self._needs: dict[str, float] = {}

    async def wanted(self) -> bool:
        """Whether there is anybody to be told."""
        return bool((await self._desk.store.triggers(type=NOTIFICATION, limit=1)).items)

    async def heed(self, events: Sequence[Event]) -> None:
        """Write down who is to be told of them; it is durable, and doing it again is harmless."""
        wanted = [(event, why) for event in events if (why := occasion_of(event)) is not None]
        if not wanted:
            return
        everybody = [
            trigger
            async for trigger in every(self._desk.store.triggers, type=NOTIFICATION)
            if trigger.enabled
        ]
        for event, why in wanted if everybody else ():
            await self._heed(event, why, everybody)

    async def _heed(self, event: Event, why: Occasion, everybody: Sequence[Trigger]) -> None:
        try:
            execution = await self._desk.store.execution(event.execution_id)
        except ExecutionNotFound:
            return
        for trigger in everybody:
            # What came before it is none of its business: a log may be read from long ago.
            if trigger.workflow != execution.workflow or event.at < trigger.created_at:
                continue
            try:
                spec = await self._desk.spec(trigger)
                if isinstance(spec, NotificationTrigger) and why in spec.on:
                    masked = self._desk.manager.services.secrets.masked
                    payload = masked(told(why, event, execution))
                    id, of = f"{execution.id}/{event.seq}", execution.id
                    await self._desk.fire(trigger, payload, id=id, execution_id=of)
            except NotPossible:
                continue  # switched off in this moment
            except StoreError:
                raise
            except AssayError as error:
                _log.warning("%s cannot be told of %s: %s", trigger.id, event.execution_id, error)

    async def deliver(self, firing: Firing, trigger: Trigger, bound: BoundTrigger) -> Firing:
        """One try, and what becomes of the firing by it."""
        spec = bound.spec
        assert isinstance(spec, NotificationTrigger)
        if not trigger.enabled:
            return ended(firing, FiringStatus.DEAD, "the notification is switched off")
        busy = self._under_way
        if busy.total() >= AT_ONCE or busy[trigger.id] >= TO_ONE:
            return replace(firing, attempts=firing.attempts - 1, due=self._room(trigger))
        busy[trigger.id] += 1
        began = time.monotonic()
        try:
            return await self._deliver(firing, trigger, spec)
        finally:
            busy[trigger.id] -= 1
            needs = self._needs.get(trigger.id, USUAL)
            self._needs[trigger.id] = 0.7 * needs + 0.3 * (time.monotonic() - began)

    def _room(self, trigger: Trigger) -> float:
        """When there may be room for one more, by what the last ones needed; those that wait
        are looked at one after the other."""
        now, needs = self._desk.now(), self._needs.get(trigger.id, USUAL)
        due = max(now + needs, self._put_off.get(trigger.id, 0.0) + needs / TO_ONE)
        due = min(due, now + FARTHEST + 2 * needs)
        self._put_off[trigger.id] = due
        return due

    async def _deliver(self, firing: Firing, trigger: Trigger, spec: NotificationTrigger) -> Firing:
        wait: float | None = None
        last = firing.attempts > len(DELAYS)
        try:
            answer = await self._post(firing, spec)
        except AssayError as error:
            why = f"{error.code}: {error.message}"
            last = last or isinstance(error, NotAllowed)
        else:
            if answer.taken:
                await self._count(trigger, None)
                return ended(firing, FiringStatus.DELIVERED)
            why, wait = _said(answer), answer.wait
            last = last or answer.status == GONE
        why = self._desk.manager.services.secrets.masked(why)
        if not last:
            return replace(firing, due=self._desk.now() + _delay(firing, wait), reason=why)
        _log.warning("%s gets no more of %s: %s", trigger.id, firing.execution_id, why)
        await self._count(trigger, why)
        return ended(firing, FiringStatus.DEAD, why)

    async def _post(self, firing: Firing, spec: NotificationTrigger) -> Answer:
        secrets = self._desk.manager.services.secrets
        at, body = int(self._desk.now()), orjson.dumps(firing.payload)
        headers = {name.lower(): secrets.filled(value) for name, value in spec.headers.items()}
        headers |= {
            "content-type": "application/json",
            "user-agent": "Assay",
            "webhook-id": firing.id,
            "webhook-timestamp": str(at),
        }
        if spec.secret is not None:
            secret = secrets.filled(spec.secret)
            signature = standard_signature(secret, firing.id, at, body.decode())
            headers["webhook-signature"] = signature
        return await self._sender.post(secrets.filled(spec.url), headers, body)

    async def _count(self, trigger: Trigger, why: str | None) -> None:
        """Remember how many failed in a row; the last one that may switches it off."""
        if why is None and not trigger.memory:
            return

        async def counted(kept: Trigger) -> Trigger:
            if why is None:
                return replace(kept, memory={})
            dead = int(kept.memory.get("dead", 0)) + 1
            if dead < DEAD_IN_A_ROW:
                return replace(kept, memory={"dead": dead, "reason": why})
            off = f"{dead} deliveries failed one after the other; the last: {why}"
            return replace(kept, enabled=False, memory={"reason": off})

        try:
            changed = await self._desk.change(trigger.id, counted)
        except (StoreError, TriggerNotFound) as error:
            _log.warning("what %s came to is not counted: %s", trigger.id, error)
            return
        if not changed.enabled and trigger.enabled:
            _log.error("%s is switched off: %s", trigger.id, changed.memory.get("reason"))


def _delay(firing: Firing, asked: float | None) -> float:
    """Seconds to the next try; a little more for some, so that not all come back at once."""
    usual = DELAYS[firing.attempts - 1]
    part = hashlib.sha256(firing.id.encode()).digest()[0] / 255
    return max(usual * (1 + 0.2 * part), min(asked or 0.0, LONGEST))


def _said(answer: Answer) -> str:
    text = " ".join(answer.text.split())[:200]
    return f"it answered {answer.status}" + (f": {text}" if text else "")
