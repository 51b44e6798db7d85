"""From a request to a firing: verified, then read, then durable, and only then answered."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...graphs.errors import (
    AssayError,
    ConfigurationError,
    FiringNotFound,
    NotAuthenticated,
    NotPossible,
    StoreError,
    TooLarge,
    TriggerNotFound,
)
from ...graphs.execution import Execution
from ...graphs.firing import Firing, FiringStatus, Trigger, firing_id
from .delivery import Delivery, names
from .reading import handshake, read
from .trigger import WebhookTrigger, WebhookVerify
from .verification import refusal

if TYPE_CHECKING:
    from ..desk import Desk

_log = logging.getLogger("assay.webhooks")

_NOBODY = (WebhookVerify(scheme="github", secret=("secret://nobody",)), [secrets.token_hex(32)])
"""What a delivery is tried against that is for no webhook: the same work."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sender is answered: what it wanted to hear (`answer`), or the firing, with the
    execution if it has ended within the time that the trigger waits."""

    firing: Firing | None = None
    answer: Mapping[str, Any] | None = None
    execution: Execution | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.execution is not None or (
            self.firing is not None and self.firing.status in _NOTHING_COMES
        )


_NOTHING_COMES = frozenset({FiringStatus.SKIPPED, FiringStatus.DROPPED, FiringStatus.DEAD})


class Receiver:
    """Takes the deliveries for the webhooks of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def receive(
        self, trigger_id: str, delivery: Delivery, admit: Callable[[], Awaitable[None]]
    ) -> Receipt:
        """What came of a delivery; it is durable. The same one again fires nothing more.

        `admit` is called when it is known to be real, and raises when there are too many.
        Raises `NotAuthenticated` in the same words whatever is wrong with it, so that nobody
        learns which webhooks there are; and to who has proved themselves `TooLarge`,
        `InvalidInput`, `NotPossible` when the trigger is switched off, `StoreError`.
        """
        trigger, spec = await self._found(trigger_id)
        now = self._desk.now()
        if (why := self._refusal(spec, delivery, now)) or trigger is None or spec is None:
            _log.info("a delivery for %.200r is refused: %s", trigger_id, why or "no such webhook")
            raise NotAuthenticated(
                "No webhook takes this: there is none at this address, or it is not signed as "
                "that one wants; see its `verify`, and the clock of who sends."
            )
        await admit()
        if not trigger.enabled:
            raise NotPossible(f"the trigger {trigger.id!r} is switched off; switch it on")
        if len(delivery.body) > spec.max_size:
            raise TooLarge(
                f"the body has {len(delivery.body):,} bytes; the trigger {trigger.id!r} takes "
                f"{spec.max_size:,} (`max_size`)"
            )
        return await self._taken(trigger, spec, delivery, now)

    async def _taken(
        self, trigger: Trigger, spec: WebhookTrigger, delivery: Delivery, now: float
    ) -> Receipt:
        told = read(spec.verify, delivery)
        if (answer := handshake(spec.verify, delivery, told.payload)) is not None:
            return Receipt(answer=answer)
        called = names(spec.verify, delivery, told.event, now)
        firing = await self._earlier(trigger, called[1:], now - spec.verify.tolerance)
        if firing is None:
            masked = self._desk.manager.services.secrets.masked
            firing = await self._desk.fire(
                trigger,
                masked(told.payload),
                attributes=masked(told.attributes),
                id=called[0] if called else None,
            )
        if spec.reply is None:
            return Receipt(firing)
        return await self._awaited(firing, spec.reply.wait)

    async def _earlier(self, trigger: Trigger, called: list[str], since: float) -> Firing | None:
        """The firing of the same delivery under a name that it had until a moment ago."""
        for name in called:
            try:
                firing = await self._desk.store.firing(firing_id(trigger.id, name))
            except FiringNotFound:
                continue
            if datetime.fromisoformat(firing.at).timestamp() >= since:
                return firing
        return None

    async def _awaited(self, firing: Firing, seconds: float) -> Receipt:
        deadline = asyncio.get_running_loop().time() + seconds
        firing = await self._desk.settled(firing, seconds)
        if firing.status is not FiringStatus.STARTED:
            return Receipt(firing)
        try:
            async with asyncio.timeout_at(deadline):
                execution = await self._desk.manager.wait(firing.execution_id)
        except (TimeoutError, AssayError):
            return Receipt(firing)  # it is durable, whatever became of waiting for it
        return Receipt(firing, execution=execution)

    async def _found(self, trigger_id: str) -> tuple[Trigger | None, WebhookTrigger | None]:
        try:
            trigger = await self._desk.store.trigger(trigger_id)
            spec = await self._desk.spec(trigger)
        except TriggerNotFound:
            return None, None
        except StoreError:
            raise
        except AssayError as error:
            _log.error("the trigger %s cannot be used: %s", trigger_id, error.message)
            return None, None
        return (trigger, spec) if isinstance(spec, WebhookTrigger) else (None, None)

    def _refusal(self, spec: WebhookTrigger | None, delivery: Delivery, now: float) -> str | None:
        if spec is None:
            verify, secrets = _NOBODY
        else:
            verify, secrets = spec.verify, self._secrets(spec.verify)
        try:
            return refusal(verify, secrets, delivery, now)
        except ConfigurationError as error:
            _log.error("no webhook can be verified by %s: %s", verify.secrets, error.message)
            return "its secret is none of its scheme"

    def _secrets(self, verify: WebhookVerify) -> list[str]:
        found = []
        for name in verify.secrets:
            try:
                found.append(self._desk.manager.services.secrets.resolve(name))
            except ConfigurationError as error:
                _log.error("a webhook cannot be verified: %s", error.message)
        return found
