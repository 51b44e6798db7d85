"""Google's generated asynchronous clients over one channel, and their errors as sentences.

Not the library's own subscriber: it runs six threads for each subscription and took one
ordered message every 13 ms where this takes four thousand a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import google.auth
import grpc  # type: ignore[import-untyped]
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.pubsub_v1 import PublisherAsyncClient, PubsubMessage, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
from google.pubsub_v1.types import ExpirationPolicy

from ...graphs.errors import AssayError, ConfigurationError, StoreError, StoreUnavailable
from .envelope import Letter

SCOPES = ["https://www.googleapis.com/auth/pubsub"]
EMULATOR = "PUBSUB_EMULATOR_HOST"
CALL = 10.0
"""Seconds that a call may take."""

PULL = 60.0
"""Seconds that a pull waits for messages."""

PASSING = (
    api.ServiceUnavailable,
    api.DeadlineExceeded,
    api.ResourceExhausted,
    api.Aborted,
    api.Cancelled,
    api.InternalServerError,
    api.Unknown,
)
"""Errors that may be over soon."""

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # two minutes, otherwise
    ("grpc.keepalive_time_ms", 30_000),
    # Else a new client inherits how long others in this process wait before they connect.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, slots=True)
class Received:
    """A letter, until it is acknowledged."""

    letter: Letter
    message_id: str
    ack_id: str


class Client:
    """Pub/Sub within one project. Every method raises what `problem` turns into a sentence."""

    def __init__(self, project: str, channel: Any) -> None:
        self.project = project
        self._channel = channel
        self._publisher = PublisherAsyncClient(
            transport=PublisherGrpcAsyncIOTransport(channel=channel)
        )
        self._subscriber = SubscriberAsyncClient(
            transport=SubscriberGrpcAsyncIOTransport(channel=channel)
        )

    @classmethod
    async def open(cls, project: str) -> Client:
        """Connects at the first call. Raises `ConfigurationError` without credentials."""
        if host := os.environ.get(EMULATOR):
            return cls(project, grpc.aio.insecure_channel(host, options=_OPTIONS))
        try:  # may ask the metadata server, which blocks
            credentials, _ = await asyncio.to_thread(google.auth.default, SCOPES)
        except DefaultCredentialsError as error:
            raise ConfigurationError(
                "Google Cloud knows no credentials here; log in with: gcloud auth "
                f"application-default login (or set {EMULATOR} to use the emulator)"
            ) from error
        channel = PublisherGrpcAsyncIOTransport.create_channel(
            f"{PublisherAsyncClient.DEFAULT_ENDPOINT}:443",
            credentials=credentials,
            options=_OPTIONS,
        )
        return cls(project, channel)

    async def close(self) -> None:
        await self._channel.close()

    async def publish(self, topic: str, letters: Sequence[Letter]) -> None:
        """Publish letters that all have the same key."""
        messages = [
            PubsubMessage(data=each.data, attributes=dict(each.attributes), ordering_key=each.key)
            for each in letters
        ]
        await self._publisher.publish(
            topic=self._topic(topic), messages=messages, retry=None, timeout=CALL
        )

    async def pull(self, subscription: str, limit: int) -> list[Received]:
        """Wait for messages; none when the time is over."""
        request = {"subscription": self._subscription(subscription), "max_messages": limit}
        try:
            response = await self._subscriber.pull(request=request, retry=None, timeout=PULL)
        except api.DeadlineExceeded:
            return []
        return [
            Received(
                Letter(m.message.data, dict(m.message.attributes), m.message.ordering_key),
                m.message.message_id,
                m.ack_id,
            )
            for m in response.received_messages
        ]

    async def acknowledge(self, subscription: str, received: Sequence[Received]) -> None:
        await self._subscriber.acknowledge(
            subscription=self._subscription(subscription),
            ack_ids=[each.ack_id for each in received],
            retry=None,
            timeout=CALL,
        )

    async def give_back(self, subscription: str, received: Sequence[Received]) -> None:
        """Let another have the messages at once."""
        await self._subscriber.modify_ack_deadline(
            subscription=self._subscription(subscription),
            ack_ids=[each.ack_id for each in received],
            ack_deadline_seconds=0,
            retry=None,
            timeout=CALL,
        )

    async def has_topic(self, topic: str) -> bool:
        try:
            await self._publisher.get_topic(topic=self._topic(topic), retry=None, timeout=CALL)
        except api.NotFound:
            return False
        return True

    async def create_topic(self, topic: str) -> None:
        """Does nothing when it is there."""
        with contextlib.suppress(api.AlreadyExists):
            await self._publisher.create_topic(name=self._topic(topic), retry=None, timeout=CALL)

    async def topic_of(self, subscription: str) -> str | None:
        """The topic that the subscription reads, or None when there is no such subscription."""
        try:
            found = await self._subscriber.get_subscription(
                subscription=self._subscription(subscription), retry=None, timeout=CALL
            )
        except api.NotFound:
            return None
        return found.topic.rpartition("/")[2]

    async def subscribe(
        self, topic: str, subscription: str, options: Mapping[str, Any], expires: timedelta | None
    ) -> None:
        """Make a subscription; does nothing when it is there."""
        request = {
            **options,
            "name": self._subscription(subscription),
            "topic": self._topic(topic),
            "expiration_policy": ExpirationPolicy(ttl=expires),
        }
        with contextlib.suppress(api.AlreadyExists):
            await self._subscriber.create_subscription(request=request, retry=None, timeout=CALL)

    async def unsubscribe(self, subscription: str) -> None:
        """Delete a subscription; does nothing when there is none."""
        with contextlib.suppress(api.NotFound):
            await self._subscriber.delete_subscription(
                subscription=self._subscription(subscription), retry=None, timeout=CALL
            )

    def problem(self, error: Exception, doing: str, permission: str) -> AssayError:
        """What went wrong, in one line. `doing` says of what it kept us ("make the topic x"),
        `permission` what that needs; Pub/Sub itself may know better."""
        where = f"Pub/Sub in project {self.project}"
        said = " ".join(str(getattr(error, "message", "") or error).split())
        if isinstance(error, api.PermissionDenied):
            if error.reason == "SERVICE_DISABLED":
                return StoreError(
                    f"{where} does not {doing}: it is not enabled in this project; enable it with: "
                    "gcloud services enable pubsub.googleapis.com"
                )
            missing = (error.metadata or {}).get("permission") or permission
            return StoreError(
                f"{where} does not {doing}: this account lacks the permission {missing}; grant "
                f"it a role that has it, such as roles/pubsub.editor (Pub/Sub said: {said})"
            )
        if isinstance(error, api.NotFound):
            return StoreError(
                f"{where} does not {doing}: {said.rstrip('.')}; make what is missing with: "
                "assay bus setup"
            )
        if isinstance(error, (api.Unauthenticated, GoogleAuthError)):
            return StoreError(
                f"{where} does not {doing}: the credentials are not valid any more; log in with: "
                f"gcloud auth application-default login ({said})"
            )
        kind = StoreUnavailable if isinstance(error, PASSING) else StoreError
        return kind(f"{where} does not {doing}: {said or type(error).__name__}")

    def _topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def _subscription(self, name: str) -> str:
        return f"projects/{self.project}/subscriptions/{name}"
