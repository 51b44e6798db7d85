"""Triggers that wait for events: those that are sent or emitted, what becomes of executions, and
messages of topics."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..graphs.event import EventType
from ..graphs.trigger import Fire, TriggerSpec
from .inlets import Messages

if TYPE_CHECKING:
    from ..graphs.firing import Trigger
    from ..graphs.topics import Topics
    from .desk import Desk

OWN = "assay."
"""Names of events that begin so are Assay's own: nobody else's event of such a name fires
anything."""

LIFECYCLE = {
    EventType.EXECUTION_STARTED: "started",
    EventType.EXECUTION_WAITING: "waiting",
    EventType.EXECUTION_COMPLETED: "completed",
    EventType.EXECUTION_FAILED: "failed",
    EventType.EXECUTION_CANCELLED: "cancelled",
}
"""What becomes of an execution, as the last part of the name of an event."""


def lifecycle(type: EventType) -> str:
    """The name of the event: `assay.execution.completed`."""
    return f"{OWN}execution.{LIFECYCLE[type]}"


_LIFE = tuple(map(lifecycle, LIFECYCLE))
_TOPIC = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


def _event(name: str) -> str:
    if "*" in name[:-1]:
        raise ValueError("`*` stands for the rest of a name, at its end only")
    if name.startswith(OWN) and not any(fits(name, known) for known in _LIFE):
        raise ValueError(f"there is no such event of Assay; there are: {', '.join(_LIFE)}")
    return name


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError(
            "the name of a topic or subscription has 3 to 255 letters, digits and -._~+%, begins "
            "with a letter, and not with goog"
        )
    return name


Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_event)]
TopicName = Annotated[str, AfterValidator(_topic)]


class EventTrigger(TriggerSpec):
    """Fires when an event comes: one that somebody sends, or that a step emits."""

    type: Literal["event"]
    event: Name | None = Field(
        default=None,
        description="The event's name; `*` at its end stands for any rest. "
        f"`{OWN}execution.` with `started`, `waiting`, `completed`, `failed` or `cancelled` is "
        "what becomes of executions.",
    )
    topic: TopicName | None = Field(
        default=None,
        description="A topic of Pub/Sub, whose messages it waits for. With `event` they are "
        "events of that name for everybody else, too.",
    )
    subscription: TopicName | None = Field(
        default=None, description="Of the topic; absent: one of the trigger's own."
    )
    own: bool = Field(
        default=False, description="Whether also executions fire it that it began itself."
    )

    @model_validator(mode="after")
    def _one_source(self) -> EventTrigger:
        if self.event is None and self.topic is None:
            raise ValueError("an event trigger needs `event`, or `topic`")
        if self.topic is None and self.subscription is not None:
            raise ValueError("`subscription` is of a `topic`, and there is none")
        if self.topic is not None and (self.event or "").endswith("*"):
            raise ValueError("messages of a topic become events of one name; give it without `*`")
        if self.topic is not None and (self.event or "").startswith(OWN):
            raise ValueError(f"events whose names begin with `{OWN}` are not for others to send")
        return self

    def hears(self, event: str) -> bool:
        return self.event is not None and fits(self.event, event)


class Events:
    """The kind. Without topics, and the desk that their messages need, its triggers hear none."""

    model = EventTrigger

    def __init__(self, topics: Topics | None = None, desk: Desk | None = None) -> None:
        self._topics, self._desk = topics, desk

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """To a topic; events reach the triggers by `routing`."""
        assert isinstance(spec, EventTrigger)
        if spec.topic is None or self._topics is None or self._desk is None:
            return
        subscription = spec.subscription or subscription_of(trigger.id)
        async with self._topics.subscribe(spec.topic, subscription) as inlet:
            await Messages(inlet, trigger, spec, fire, self._desk).run()


def fits(pattern: str, name: str) -> bool:
    """Whether an event of that name is waited for. Assay's own are for who names them as such."""
    if pattern.endswith("*"):
        if name.startswith(OWN) and not pattern.startswith(OWN):
            return False
        return name.startswith(pattern[:-1])
    return name == pattern


def subscription_of(trigger_id: str) -> str:
    """The subscription that is a trigger's own."""
    plain = re.sub(r"[^A-Za-z0-9._~+-]", "-", trigger_id)[:200]
    if plain != trigger_id:
        plain += "-" + hashlib.sha256(trigger_id.encode()).hexdigest()[:8]
    return f"assay-{plain}"
