"""Whether a request comes from whom it should: each scheme over the raw body, in constant time."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from .delivery import Delivery
    from .trigger import WebhookVerify


def refusal(
    verify: WebhookVerify, secrets: Sequence[str], delivery: Delivery, now: float
) -> str | None:
    """Why a delivery is not what it says, for the log; None when it is.

    `now` is seconds since 1970. Any of the secrets fits: they change one after the other.
    Raises `ConfigurationError` when none fits and one cannot be a secret of its scheme.
    """
    if verify.scheme == "none":
        return None
    stale = _stale(verify, delivery, now)
    right, wrong = False, None
    # Every secret is tried, so that the time tells nothing of which one was right.
    for secret in secrets:
        try:
            right |= _CHECKS[verify.scheme](verify, secret, delivery)
        except ConfigurationError as error:
            wrong = error
    if wrong is not None and not right:
        raise wrong
    return stale or (None if right else "the signature, or the token, is not right")


def _stale(verify: WebhookVerify, delivery: Delivery, now: float) -> str | None:
    header = _TIMES.get(verify.scheme) or verify.timestamp_header
    if header is None:
        return None
    at = _seconds(delivery.header(header))
    if at is None:
        return f"{header} is no time in seconds since 1970"
    if abs(now - at) > verify.tolerance:
        return f"it was signed {abs(now - at):.0f} s {'ago' if at < now else 'from now'}"
    return None


_TIMES: Mapping[str, str] = {
    "standard": "webhook-timestamp",
    "slack": "x-slack-request-timestamp",
}


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _standard(_: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    at = _seconds(delivery.header("webhook-timestamp"))
    try:
        body = delivery.body.decode()
    except UnicodeDecodeError:
        return False
    if at is None or not (id := delivery.header("webhook-id")):
        return False
    expected = standard_signature(secret, id, at, body)
    given = delivery.header("webhook-signature").split(" ")
    return any(_same(expected, each) for each in given[:_SIGNATURES])


_SIGNATURES = 20
"""Signatures in one header that are looked at."""


def standard_signature(secret: str, id: str, at: int, body: str) -> str:
    """As Standard Webhooks has it: `v1,` and base64; empty for a time that no calendar has.
    Raises `ConfigurationError` for a secret that is none of its."""
    from standardwebhooks import Webhook

    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ConfigurationError(
            "a secret of Standard Webhooks is `whsec_` and base64 after it; make one: "
            "echo whsec_$(head -c 32 /dev/urandom | base64)"
        )
    try:
        return Webhook(key).sign(id, datetime.fromtimestamp(at, UTC), body)
    except (ValueError, OverflowError, OSError):
        return ""


def _github(_: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    expected = hmac.new(secret.encode(), delivery.body, "sha256").hexdigest()
    return _same(f"sha256={expected}", delivery.header("x-hub-signature-256").lower())


def _gitlab(_: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    return _same(secret, delivery.header("x-gitlab-token"))


def _slack(_: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    at = _wire(delivery.header("x-slack-request-timestamp"))
    signed = b"v0:%s:%s" % (at, delivery.body)
    expected = hmac.new(secret.encode(), signed, "sha256").hexdigest()
    return _same(f"v0={expected}", delivery.header("x-slack-signature").lower())


def _hmac(verify: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    at, id = (_wire(delivery.header(h)) for h in (verify.timestamp_header, verify.id_header))
    before, after = (
        part.replace(b"{timestamp}", at).replace(b"{id}", id)
        for part in verify.content.encode().split(b"{body}")
    )
    made = hmac.new(secret.encode(), before + delivery.body + after, verify.algorithm).digest()
    given = delivery.header(verify.header).removeprefix(verify.prefix or "")
    if verify.encoding == "hex":
        return _same(made.hex(), given.lower())
    return _same(base64.b64encode(made).decode(), given)


def _bearer(verify: WebhookVerify, secret: str, delivery: Delivery) -> bool:
    if verify.header is not None:
        return _same((verify.prefix or "") + secret, delivery.header(verify.header))
    scheme, _, token = delivery.header("authorization").partition(" ")
    return _same((verify.prefix or "") + secret, token.strip()) and scheme.lower() == "bearer"


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), _wire(given))


def _wire(text: str) -> bytes:
    """A header as it came."""
    return text.encode("latin-1", "replace")


_CHECKS: Mapping[str, Callable[[WebhookVerify, str, Delivery], bool]] = {
    "standard": _standard,
    "github": _github,
    "gitlab": _gitlab,
    "slack": _slack,
    "hmac": _hmac,
    "bearer": _bearer,
}
