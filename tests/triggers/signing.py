"""Signs deliveries as the senders of each scheme do, apart from what verifies them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from assay.triggers.webhooks.delivery import Delivery
from assay.triggers.webhooks.trigger import WebhookVerify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"another secret, 32 bytes at least").decode()
NOW = 1_614_265_330
BODY = b'{"test": 2432232314}'

_VERIFY: TypeAdapter[WebhookVerify] = TypeAdapter(WebhookVerify)


def verify_as(scheme: str, **fields: Any) -> WebhookVerify:
    """What a definition says that way."""
    secret = {} if scheme == "none" else {"secret": "secret://hook"}
    return _VERIFY.validate_python({"scheme": scheme, **secret, **fields})


class Way(NamedTuple):
    """One way to prove who sends: what a definition says, and what the sender does."""

    scheme: str
    fields: Mapping[str, Any] = {}

    @property
    def verify(self) -> WebhookVerify:
        return verify_as(self.scheme, **self.fields)

    def sends(
        self, body: bytes = BODY, *, secret: str = SECRET, at: int = NOW, id: str = "msg_1"
    ) -> Delivery:
        headers = {"content-type": "application/json"}
        return Delivery(body, {**headers, **self._proof(body, secret, at, id)})

    def _proof(self, body: bytes, secret: str, at: int, id: str) -> dict[str, str]:
        key, stamp = secret.encode(), str(at)
        match self.scheme:
            case "standard":
                key = base64.b64decode(secret.removeprefix("whsec_"))
                made = _mac(key, f"{id}.{at}.".encode() + body)
                signature = "v1," + base64.b64encode(made).decode()
                names = ("webhook-id", "webhook-timestamp", "webhook-signature")
                return dict(zip(names, (id, stamp, signature), strict=True))
            case "github":
                signature = "sha256=" + _mac(key, body).hex()
                return {"x-hub-signature-256": signature, "x-github-delivery": id}
            case "gitlab":
                return {"x-gitlab-token": secret, "idempotency-key": id}
            case "slack":
                signature = "v0=" + _mac(key, f"v0:{at}:".encode() + body).hex()
                return {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}
            case "hmac" if "timestamp_header" in self.fields:
                made = _mac(key, f"{at}.".encode() + body, "sha512")
                return {"x-at": stamp, "x-signed": "v1=" + base64.b64encode(made).decode()}
            case "hmac":
                return {"x-signed": _mac(key, body).hex(), "x-id": id}
            case "bearer" if "header" in self.fields:
                return {"x-token": secret, "x-id": id}
            case "bearer":
                return {"authorization": f"Bearer {secret}", "x-id": id}
        return {"x-id": id}


def _mac(key: bytes, signed: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, signed, getattr(hashlib, algorithm)).digest()


TIMED_HMAC = {
    "header": "X-Signed",
    "prefix": "v1=",
    "algorithm": "sha512",
    "encoding": "base64",
    "timestamp_header": "X-At",
}

WAYS = {
    "standard": Way("standard"),
    "github": Way("github"),
    "gitlab": Way("gitlab"),
    "slack": Way("slack"),
    "hmac": Way("hmac", {"header": "X-Signed", "id_header": "X-Id"}),
    "hmac with a time": Way("hmac", TIMED_HMAC),
    "bearer": Way("bearer", {"id_header": "X-Id"}),
    "bearer in a header": Way("bearer", {"header": "X-Token", "id_header": "X-Id"}),
}
"""Every scheme that verifies something."""

OVER_BODY = [name for name in WAYS if WAYS[name].scheme in ("standard", "github", "slack", "hmac")]
TIMED = ["standard", "slack", "hmac with a time"]
