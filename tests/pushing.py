"""Pushes of Pub/Sub, signed with keys of our own that are served as Google's would be."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.crypt import RSASigner

from assay.store.pubsub.envelope import Letter, seal_ring
from assay.store.pubsub.push import Keys

from .servers import Site, http_site

AUDIENCE = "https://assay.example/push"
SENDER = "pusher@project.iam.gserviceaccount.com"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


OURS, FOREIGN = new_key(), new_key()


@dataclass
class Signer:
    """A local key set, and tokens signed with its key."""

    keys: Keys
    site: Site

    def headers(
        self, key: rsa.RSAPrivateKey = OURS, key_id: str = "k1", **claims: Any
    ) -> dict[str, str]:
        now = int(time.time())
        given = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 600,
            "email": SENDER,
            "email_verified": True,
            **claims,
        }
        signer = RSASigner.from_string(_private_pem(key), key_id)  # type: ignore[no-untyped-call]
        token = jwt.encode(signer, given)  # type: ignore[no-untyped-call]
        return {"Authorization": f"Bearer {token.decode()}"}


@contextmanager
def key_site() -> Iterator[Signer]:
    with http_site() as (address, site):
        site.body = {"k1": _public_pem(OURS)}
        yield Signer(Keys(address), site)


def push(execution_id: str = "e-1", letter: Letter | None = None) -> bytes:
    """The body of a push: a ring, or whatever letter is given."""
    letter = letter or seal_ring(execution_id, "p1", 7)
    message = {
        "data": base64.b64encode(letter.data).decode(),
        "attributes": letter.attributes,
        "messageId": "42",
        "publishTime": "2026-01-01T00:00:00Z",
    }
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()
