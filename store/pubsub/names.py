"""What the bus is called in a project: its topics, and the subscriptions that last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

EVENTS = "assay-events"
"""What happens to executions. Every process has a subscription of its own."""

WORK = "assay-work"
"""The doorbell: "look at this execution". One subscription of that name, shared by all workers."""

CONTROL = "assay-control"
"""What reaches every process, through a subscription of its own."""

DEAD = "assay-dead"
"""Messages that nobody can read, with the reason. One subscription of that name keeps them."""

TOPICS = (EVENTS, WORK, CONTROL, DEAD)

SHARED: dict[str, dict[str, Any]] = {
    # A ring that a worker took to its grave is heard by another after the shortest deadline.
    WORK: {"ack_deadline_seconds": 10, "message_retention_duration": timedelta(hours=1)},
    DEAD: {"ack_deadline_seconds": 60, "message_retention_duration": timedelta(days=7)},
}
"""By topic: the subscription of the same name, which never expires."""

OWN: dict[str, Any] = {
    "ack_deadline_seconds": 60,
    "message_retention_duration": timedelta(minutes=10),
    "enable_message_ordering": True,
    "labels": {"assay": "process"},
}
"""A process's own subscription: deleted when it closes; Pub/Sub deletes those of the dead."""

EXPIRES = timedelta(days=1)
"""The shortest that Pub/Sub allows."""

TO_SUBSCRIBE = "pubsub.subscriptions.create and pubsub.topics.attachSubscription"
"""The permissions that making a subscription needs."""


def own(topic: str, origin: str) -> str:
    """The name of a process's own subscription of the topic."""
    return f"{topic}-{origin}"
