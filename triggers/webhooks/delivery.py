"""What somebody sent, and what it is called: the same delivery again has the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from .trigger import WebhookVerify


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came. `headers` have lower-case names; `query` are its parameters."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()

    def header(self, name: str | None) -> str:
        """Its text, without what stands around it; empty when there is none."""
        return self.headers.get((name or "").lower(), "").strip()

    @property
    def kind(self) -> str:
        """The media type of the body, in small letters, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()


_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "standard": ("webhook-id",),
    "github": ("x-github-delivery",),
    # Not its X-Gitlab-Event-UUID: all that one event causes has the same.
    "gitlab": ("idempotency-key", "x-gitlab-webhook-uuid"),
}
"""The headers of a scheme that name a delivery, the same when it is sent again."""


def names(verify: WebhookVerify, delivery: Delivery, event: str | None, now: float) -> list[str]:
    """What a delivery is called. `event` is the name that a CloudEvent has.

    Without any name of its own it is what was signed: the second name, if there is one, is what
    it was called until a moment ago. Empty: it has no name, and is another one each time.
    """
    for header in (verify.id_header, *_NAMED_BY.get(verify.scheme, ())):
        if given := delivery.header(header):
            return [f"id/{given}"]
    if verify.scheme == "slack":
        return [_slack(delivery)]
    if event is not None:
        return [f"event/{event}"]
    if given := delivery.header("idempotency-key"):
        return [f"id/{given}"]
    if verify.scheme in ("bearer", "none", "gitlab"):
        return []  # whoever can send it again can change it as well
    if verify.timestamp_header:
        return [_digest(delivery.header(verify.timestamp_header).encode(), delivery.body)]
    window = int(now // verify.tolerance)
    return [_digest(str(each).encode(), delivery.body) for each in (window, window - 1)]


def _slack(delivery: Delivery) -> str:
    """An event keeps its id when it is sent again, newly signed; a command has none."""
    if delivery.kind == "application/json":
        try:
            told: Any = orjson.loads(delivery.body)
        except orjson.JSONDecodeError:
            told = None
        if isinstance(told, dict) and isinstance(id := told.get("event_id"), str) and id:
            return f"id/{id}"
    time, signature = "x-slack-request-timestamp", "x-slack-signature"
    return f"signed/{delivery.header(time)}/{delivery.header(signature).lower()}"


def _digest(*parts: bytes) -> str:
    return "digest/" + hashlib.sha256(b"\0".join(parts)).hexdigest()
