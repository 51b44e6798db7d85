"""The `Topics` port over Pub/Sub: what other programs publish in a project."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from google.api_core.exceptions import NotFound, PermissionDenied

from ...graphs.errors import StoreError
from ...graphs.topics import Delivery
from .client import Client, Received
from .envelope import Letter
from .names import TO_SUBSCRIBE
from .setback import FIRST

TOGETHER = 100
"""Messages that are pulled at once; no more are asked for before these are settled."""

LASTING: Mapping[str, Any] = {
    "ack_deadline_seconds": 60,
    "message_retention_duration": timedelta(days=7),
    "enable_message_ordering": True,
    "labels": {"assay": "trigger"},
}
"""A subscription that is made here. It never expires."""


class PubSubTopics:
    """Connects when it is first needed."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._client: Client | None = None
        self._opening = asyncio.Lock()

    async def publish(
        self,
        topic: str,
        data: bytes,
        *,
        attributes: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        client = await self._connected()
        letter = Letter(data, dict(attributes or {}), key)
        try:
            try:
                await client.publish(topic, [letter])
            except NotFound:
                await client.create_topic(topic)
                await client.publish(topic, [letter])
        except Exception as error:
            doing = f"take a message for {topic}"
            raise client.problem(error, doing, "pubsub.topics.publish") from error

    @asynccontextmanager
    async def subscribe(self, topic: str, subscription: str) -> AsyncIterator[PubSubInlet]:
        inlet = PubSubInlet(await self._connected(), topic, subscription)
        await inlet.open()
        yield inlet

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _connected(self) -> Client:
        async with self._opening:
            if self._client is None:
                self._client = await Client.open(self._project)
            return self._client


class PubSubInlet:
    def __init__(self, client: Client, topic: str, subscription: str) -> None:
        """Call `open`."""
        self._client = client
        self._topic, self._subscription = topic, subscription

    async def open(self) -> None:
        """Whoever may only read what is there need not be able to look at it, or to make it."""
        client = self._client
        try:
            reads = await client.topic_of(self._subscription)
        except PermissionDenied:
            return
        except Exception as error:
            doing = f"say whether there is a subscription {self._subscription}"
            raise client.problem(error, doing, "pubsub.subscriptions.get") from error
        if reads is None:
            await self._make()
        elif reads != self._topic:  # of a topic that was deleted meanwhile, perhaps
            raise StoreError(
                f"The subscription {self._subscription} reads the topic {reads} instead of "
                f"{self._topic}; give the trigger another `subscription`, or delete that one: "
                f"gcloud pubsub subscriptions delete {self._subscription}"
            )

    async def pull(self) -> Sequence[Delivery]:
        try:
            found = await self._client.pull(self._subscription, TOGETHER)
        except NotFound:  # deleted by somebody
            await self._make()
            await asyncio.sleep(FIRST)
            return []
        except Exception as error:
            raise self._problem(error, f"give messages of {self._subscription}") from error
        return [_delivery(each) for each in found]

    async def settle(self, taken: Sequence[Delivery], back: Sequence[Delivery] = ()) -> None:
        try:
            if taken:
                await self._client.acknowledge(self._subscription, [_received(d) for d in taken])
            if back:
                await self._client.give_back(self._subscription, [_received(d) for d in back])
        except Exception as error:
            doing = f"take the answer to messages of {self._subscription}"
            raise self._problem(error, doing) from error

    async def _make(self) -> None:
        topic, client = self._topic, self._client
        try:
            # Who may not make topics may read one that is there.
            with contextlib.suppress(PermissionDenied):
                await client.create_topic(topic)
            await client.subscribe(topic, self._subscription, LASTING, None)
        except NotFound as error:
            raise StoreError(
                f"There is no topic {topic} in project {client.project}, and this account may not "
                f"make it; make it with: gcloud pubsub topics create {topic}"
            ) from error
        except Exception as error:
            doing = f"make the subscription {self._subscription} of the topic {topic}"
            raise client.problem(error, doing, TO_SUBSCRIBE) from error

    def _problem(self, error: Exception, doing: str) -> Exception:
        return self._client.problem(error, doing, "pubsub.subscriptions.consume")


def _delivery(received: Received) -> Delivery:
    letter = received.letter
    return Delivery(
        received.message_id, letter.data, letter.attributes, letter.key, received.ack_id
    )


def _received(delivery: Delivery) -> Received:
    return Received(Letter(b""), delivery.id, delivery.receipt)
