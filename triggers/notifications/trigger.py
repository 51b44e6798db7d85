"""Notifications: triggers that executions fire, and that tell somebody what became of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ...graphs.event import Event, EventType
from ...graphs.firing import Trigger
from ...graphs.question import Wait
from ...graphs.step import LAX, Condition
from ...graphs.trigger import Fire, Overlap, Throttle, TriggerSpec
from ..webhooks.trigger import HeaderName, Secret

Occasion = Literal["completed", "failed", "cancelled", "waiting", "question"]

_OCCASIONS: Mapping[EventType, Occasion] = {
    EventType.EXECUTION_COMPLETED: "completed",
    EventType.EXECUTION_FAILED: "failed",
    EventType.EXECUTION_CANCELLED: "cancelled",
    EventType.EXECUTION_WAITING: "waiting",
    EventType.QUESTION_ASKED: "question",
}

_OURS = re.compile(r"(?i)webhook-.*|content-length|content-type|host|connection|transfer-encoding")
_PRINTED = re.compile(r"[\x20-\x7e]*")


def occasion_of(event: Event) -> Occasion | None:
    """What somebody may be told of; a question is one that a person answers."""
    if event.type is EventType.QUESTION_ASKED and event.data.get("kind") == Wait.EVENT:
        return None
    return _OCCASIONS.get(event.type)


def _address(url: str) -> str:
    if url.startswith("secret://"):
        return url
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{url!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one:
        raise ValueError(f"{url!r} is no address; write https://…, or secret://NAME that holds one")
    if parts.username is not None or parts.fragment:
        raise ValueError("an address has no name and password, and no #…; use `headers`")
    return url


def _headers(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if _OURS.fullmatch(name):
            raise ValueError(f"the header {name!r} is set by who sends; take it away")
        if not _PRINTED.fullmatch(value):
            raise ValueError(f"the header {name!r} has something else than ASCII in it")
    return given


class NotificationTrigger(TriggerSpec):
    """Tells an address of what becomes of the workflow's executions."""

    noun: ClassVar[str] = "notification"

    # Nothing starts, so that nothing is mapped, queued or held back.
    with_: ClassVar[None] = None  # type: ignore[misc]
    key: ClassVar[None] = None  # type: ignore[misc]
    overlap: ClassVar[Overlap] = "parallel"  # type: ignore[misc]
    debounce: ClassVar[None] = None  # type: ignore[misc]
    throttle: ClassVar[Throttle | None] = None  # type: ignore[misc]
    priority: ClassVar[int] = 0  # type: ignore[misc]

    if_: Condition | None = Field(
        default=None, alias="if", description="Nobody is told when this is false."
    )
    type: Literal["notification"] = "notification"
    url: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_address)] = Field(
        description="Where to; `secret://name` when the address is a secret itself."
    )
    on: Annotated[tuple[Occasion, ...], LAX, Field(min_length=1)] = Field(
        default=("completed", "failed", "cancelled"),
        description="Of what: how executions end, that they wait, that they ask a person.",
    )
    secret: Secret | None = Field(
        default=None, description="`secret://name`: signs as Standard Webhooks. Absent: unsigned."
    )
    headers: Annotated[dict[HeaderName, str], Field(max_length=20), AfterValidator(_headers)] = (
        Field(default_factory=dict, description="More of them; `secret://name` may stand in each.")
    )


class Notification:
    model = NotificationTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Nothing: whoever follows the log fires all of them."""
        del trigger, spec, fire
