"""Makes what the bus needs in a project, or says what is missing."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar

from ...graphs.errors import StoreError
from .client import Client
from .names import SHARED, TO_SUBSCRIBE, TOPICS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A topic or subscription, and whether it was there, was made, or is missing."""

    kind: Literal["topic", "subscription"]
    name: str
    state: Literal["there", "made", "missing"]


async def setup(project: str, *, check: bool = False) -> list[Part]:
    """Make the topics and the shared subscriptions that are not there; with `check`, only look.

    Doing it again changes nothing. Raises `StoreError` that names the permission that is
    missing, `StoreUnavailable` when Pub/Sub cannot be reached, `ConfigurationError` without
    credentials.
    """
    client = await Client.open(project)
    try:
        topics = [await _topic(client, name, check) for name in TOPICS]
        return topics + [await _subscription(client, name, check) for name in SHARED]
    finally:
        await client.close()


async def _topic(client: Client, name: str, check: bool) -> Part:
    seen = client.has_topic(name)
    if await _ask(client, seen, f"say whether there is a topic {name}", "pubsub.topics.get"):
        return Part("topic", name, "there")
    if check:
        return Part("topic", name, "missing")
    await _ask(client, client.create_topic(name), f"make the topic {name}", "pubsub.topics.create")
    return Part("topic", name, "made")


async def _subscription(client: Client, name: str, check: bool) -> Part:
    doing = f"say whether there is a subscription {name}"
    topic = await _ask(client, client.topic_of(name), doing, "pubsub.subscriptions.get")
    if topic == name:
        return Part("subscription", name, "there")
    if topic is not None:  # of a topic that was deleted meanwhile, perhaps
        raise StoreError(
            f"The subscription {name} reads the topic {topic} instead of {name}; delete it, and "
            f"set the bus up again: gcloud pubsub subscriptions delete {name}"
        )
    if check:
        return Part("subscription", name, "missing")
    made = client.subscribe(name, name, SHARED[name], None)
    await _ask(client, made, f"make the subscription {name}", TO_SUBSCRIBE)
    return Part("subscription", name, "made")


async def _ask(client: Client, call: Awaitable[T], doing: str, permission: str) -> T:
    try:
        return await call
    except Exception as error:
        raise client.problem(error, doing, permission) from error
