"""Messages that other programs publish: the port of topics, and what comes by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, until it is settled. `id` is the same each time that it is delivered; those of
    one `key` come in the order in which they were published. `receipt` settles this delivery."""

    id: str
    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    receipt: str = ""


class Inlet(Protocol):
    """One subscription of one topic, shared by everybody who opened it: each message is for one
    of them, and for another when that one does not settle it in time."""

    async def pull(self) -> Sequence[Delivery]:
        """Some messages, as soon as there are any; none after a while without. Raises
        `StoreError` for what needs an operator, `StoreUnavailable` for what may pass."""

    async def settle(self, taken: Sequence[Delivery], back: Sequence[Delivery] = ()) -> None:
        """Acknowledge those that are dealt with for good; let others have the rest at once."""


class Topics(Protocol):
    """Topics by name. Every method raises `StoreError` or `StoreUnavailable`, as `pull` does."""

    async def publish(
        self,
        topic: str,
        data: bytes,
        *,
        attributes: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        """Durable when it returns; the topic is made when there is none."""

    def subscribe(self, topic: str, subscription: str) -> AbstractAsyncContextManager[Inlet]:
        """Hear what is published from now on, or since the subscription was made; topic and
        subscription are made when there are none."""

    async def close(self) -> None: ...
