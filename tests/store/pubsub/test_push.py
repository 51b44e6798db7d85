"""Pushed messages: read when Google signed them for us, refused otherwise."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.pushing import AUDIENCE, FOREIGN, SENDER, Signer, key_site, push

from assay.graphs.errors import InvalidInput, NotAuthorized, StoreUnavailable
from assay.store.pubsub.envelope import read_ring
from assay.store.pubsub.push import verify

pytestmark = pytest.mark.anyio


@pytest.fixture
def signer() -> Iterator[Signer]:
    with key_site() as signer:
        yield signer


async def test_what_google_signed_for_us_is_read(signer: Signer) -> None:
    pushed = await verify(signer.headers(), push(), AUDIENCE, signer.keys, sender=SENDER)
    assert read_ring(pushed.letter) == "e-1"
    assert (pushed.message_id, pushed.sender) == ("42", SENDER)
    assert pushed.subscription == "projects/p/subscriptions/s"


async def test_keys_are_fetched_once(signer: Signer) -> None:
    for _ in range(3):
        await verify(signer.headers(), push(), AUDIENCE, signer.keys)
    assert signer.site.asked == ["GET /"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://other.example"}, "audience"),
        ({"iss": "https://evil.example"}, "issued"),
        ({"email": "other@project.iam.gserviceaccount.com"}, "may push"),
        ({"email_verified": False}, "may push"),
        ({"exp": 1_600_000_000, "iat": 1_500_000_000}, "expired"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_600}, "early"),
    ],
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    signer: Signer, claims: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotAuthorized, match=why):
        await verify(signer.headers(**claims), push(), AUDIENCE, signer.keys, sender=SENDER)


async def test_a_token_signed_by_somebody_else_is_refused(signer: Signer) -> None:
    with pytest.raises(NotAuthorized, match="not valid"):
        await verify(signer.headers(FOREIGN), push(), AUDIENCE, signer.keys)
    with pytest.raises(NotAuthorized, match="not valid"):
        await verify(signer.headers(FOREIGN, "k2"), push(), AUDIENCE, signer.keys)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic abc", "Bearer abc", "Bearer a.b.c", "Bearer é.é.é"]
)
async def test_what_is_no_token_is_refused(signer: Signer, authorization: str) -> None:
    with pytest.raises(NotAuthorized):
        await verify({"authorization": authorization}, push(), AUDIENCE, signer.keys)


async def test_a_token_that_says_it_needs_no_signature_is_refused(signer: Signer) -> None:
    signed = signer.headers()["Authorization"].removeprefix("Bearer ").split(".")
    for algorithm in ("none", "HS256"):
        head = json.dumps({"alg": algorithm, "kid": "k1", "typ": "JWT"}).encode()
        token = ".".join([base64.urlsafe_b64encode(head).decode().rstrip("="), *signed[1:]])
        with pytest.raises(NotAuthorized, match="RS256"):
            await verify({"authorization": f"Bearer {token}"}, push(), AUDIENCE, signer.keys)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"message": 1}', b'{"message": {"data": "?"}, "subscription": "s"}'],
)
async def test_a_body_that_is_no_push_is_said_to_be_none(signer: Signer, body: bytes) -> None:
    with pytest.raises(InvalidInput, match="no push"):
        await verify(signer.headers(), body, AUDIENCE, signer.keys)


async def test_without_keys_nothing_is_believed(signer: Signer) -> None:
    signer.site.failures = 1
    with pytest.raises(StoreUnavailable, match="cannot be had"):
        await verify(signer.headers(), push(), AUDIENCE, signer.keys)
    await verify(signer.headers(), push(), AUDIENCE, signer.keys)  # they can be had again
