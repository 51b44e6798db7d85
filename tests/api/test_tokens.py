"""Tokens of an identity provider: only what it signed for us, and is valid now, lets anyone in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.api.issuing import AUDIENCE, Provider, providing

from assay.api.access import most
from assay.api.settings import read_settings
from assay.api.tenants import Tenants
from assay.api.tokens import Issuer, OidcTokens
from assay.graphs.errors import ConfigurationError, NotAuthenticated, StoreUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing() as provider:
        yield provider


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[Tenants]:
    settings = read_settings({"ASSAY_HOME": str(tmp_path)}, tmp_path)
    async with Tenants(settings, tmp_path, ["acme"]) as tenants:
        yield tenants


@pytest.fixture
def tokens(provider: Provider, tenants: Tenants) -> OidcTokens:
    return OidcTokens(Issuer(provider.url, AUDIENCE), tenants)


async def test_a_token_says_who_asks_and_what_they_may(
    provider: Provider, tokens: OidcTokens
) -> None:
    token = provider.token(
        email="ada@example.com",
        email_verified=True,
        assay_scopes=["team-*", "shared"],
        assay_tenant="acme",
    )
    asker = await tokens.asker(token, "rest")
    assert asker.tenant == "acme"
    assert asker.surface == "rest"
    assert asker.principal.id == "oidc:user-1"
    assert asker.principal.name == "ada@example.com"
    assert asker.principal.role == "operator"
    assert asker.principal.scopes == ("team-*", "shared")


async def test_the_highest_of_several_roles_counts(provider: Provider, tokens: OidcTokens) -> None:
    token = provider.token(assay_role=["viewer", "something else", "editor"])
    assert (await tokens.asker(token, "rest")).principal.role == "editor"


@pytest.mark.parametrize(
    ("claims", "bound"),
    [
        ({}, "restricted"),
        ({"assay_role": "admin"}, "trusted"),
        ({"assay_profile": "standard"}, "standard"),
        ({"assay_profile": "restricted", "assay_role": "admin"}, "restricted"),
        ({"assay_profile": ""}, "restricted"),
    ],
)
async def test_a_token_says_what_its_holder_may_begin(
    provider: Provider, tokens: OidcTokens, claims: dict[str, str], bound: str
) -> None:
    assert most((await tokens.asker(provider.token(**claims), "rest")).principal) == bound


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate),
        ("PS256", lambda: rsa.generate_private_key(65537, 2048)),
    ],
)
async def test_keys_of_other_kinds_sign_as_well(
    provider: Provider, tokens: OidcTokens, algorithm: str, make: Any
) -> None:
    provider.keys["other"], provider.algorithms["other"] = make(), algorithm
    token = provider.token(kid="other", algorithm=algorithm)
    assert (await tokens.asker(token, "rest")).principal.id == "oidc:user-1"


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": timedelta(minutes=-1)}, "expired"),
        ({"nbf": timedelta(minutes=10)}, "not yet valid"),
        ({"iat": timedelta(minutes=10)}, "not yet valid"),
        ({"aud": "another"}, "[Aa]udience"),
        ({"aud": None}, "aud"),
        ({"iss": "https://elsewhere.example"}, "[Ii]ssuer"),
        ({"iss": None}, "iss"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "[Ss]ubject"),
        ({"assay_role": None}, "names no role"),
        ({"assay_role": "root"}, "names no role"),
        ({"assay_role": {"viewer": True}}, "names no role"),
        ({"assay_tenant": "other"}, "no tenant"),
        ({"assay_tenant": ["acme"]}, "no tenant"),
        ({"assay_scopes": []}, "covers no workflow"),
        ({"assay_scopes": ""}, "covers no workflow"),
        ({"assay_profile": "root"}, "no security profile; there are: restricted, standard"),
        ({"assay_profile": ["trusted"]}, "no security profile"),
    ],
)
async def test_a_token_that_is_not_for_us_now_lets_nobody_in(
    provider: Provider, tokens: OidcTokens, claims: Mapping[str, Any], says: str
) -> None:
    # From now on, not from when the tests were collected.
    at = {n: v.total_seconds() for n, v in claims.items() if isinstance(v, timedelta)}
    claims = {**claims, **{name: int(time.time() + seconds) for name, seconds in at.items()}}
    with pytest.raises(NotAuthenticated, match=says) as raised:
        await tokens.asker(provider.token(**claims), "rest")
    assert "\n" not in raised.value.message


async def test_a_token_signed_by_somebody_else_lets_nobody_in(
    provider: Provider, tokens: OidcTokens
) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    with pytest.raises(NotAuthenticated, match=r"[Ss]ignature"):
        await tokens.asker(provider.token(stranger), "rest")
    with pytest.raises(NotAuthenticated, match="does not have"):
        await tokens.asker(provider.token(stranger, kid="unknown"), "rest")


async def test_a_public_key_is_no_secret_to_sign_with(
    provider: Provider, tokens: OidcTokens
) -> None:
    """Algorithm confusion: HS256, with the published key as the shared secret."""
    with pytest.raises(NotAuthenticated, match="signed by 'HS256'"):
        await tokens.asker(provider.confused(), "rest")


@pytest.mark.parametrize("algorithm", ["none", "None", "", None, 7])
async def test_a_token_that_nobody_signed_lets_nobody_in(
    provider: Provider, tokens: OidcTokens, algorithm: object
) -> None:
    with pytest.raises(NotAuthenticated):
        await tokens.asker(provider.unsigned(algorithm), "rest")


@pytest.mark.parametrize("rubbish", ["a", "a.b.c", "..", "é.é.é", "x" * 20_000, "\0"])
async def test_what_is_no_token_lets_nobody_in(tokens: OidcTokens, rubbish: str) -> None:
    with pytest.raises(NotAuthenticated):
        await tokens.asker(rubbish, "rest")


async def test_a_new_key_is_found_and_the_old_one_forgotten(
    provider: Provider, tokens: OidcTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = provider.token()
    await tokens.asker(old, "rest")
    provider.keys = {"two": rsa.generate_private_key(65537, 2048)}
    monkeypatch.setattr("assay.api.tokens.ASKED_AGAIN", 0.0)
    assert (await tokens.asker(provider.token(kid="two"), "rest")).principal.id == "oidc:user-1"
    with pytest.raises(NotAuthenticated, match="does not have"):
        await tokens.asker(old, "rest")


async def test_keys_that_are_for_others_keep_nobody_out(
    provider: Provider, tokens: OidcTokens
) -> None:
    """Of another kind, for encryption, of a curve nobody here knows, broken, without a name."""
    ours = provider.jwk("one")
    provider.others = [
        {"kid": "two", "kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kid": "three", "kty": "EC", "crv": "P-999", "x": "AAAA", "y": "AAAA"},
        {"kid": "four", "kty": "RSA", "n": "AQAB", "e": 5},
        {"kid": "five", "kty": "RSA"},
        {"kid": "six", "kty": "ML-DSA", "pub": "AAAA"},
        {**ours, "kid": "seven", "alg": "RSA-OAEP"},
        {**ours, "kid": "eight", "use": "enc"},
        {each: ours[each] for each in ours if each != "kid"},
    ]
    assert (await tokens.asker(provider.token(), "rest")).principal.id == "oidc:user-1"
    with pytest.raises(NotAuthenticated, match="does not have"):
        await tokens.asker(provider.token(provider.keys["one"], kid="eight"), "rest")


async def test_strangers_do_not_make_us_ask_the_provider_again_and_again(
    provider: Provider, tokens: OidcTokens
) -> None:
    for n in range(20):
        token = provider.token(provider.keys["one"], kid=f"unknown-{n}")
        with pytest.raises(NotAuthenticated, match="does not have"):
            await tokens.asker(token, "rest")
    assert provider.asked == 1


async def test_a_provider_that_is_away_is_nobodys_fault(
    provider: Provider, tokens: OidcTokens
) -> None:
    provider.away = True
    with pytest.raises(StoreUnavailable, match="cannot be had"):
        await tokens.asker(provider.token(), "rest")
    provider.away = False
    assert await tokens.asker(provider.token(), "rest")


async def test_nobody_gives_themselves_the_name_of_an_approver(
    provider: Provider, tenants: Tenants
) -> None:
    """Approvals go by names, so that a name must not be what its bearer can write."""
    claims = {"email": "boss@example.com", "preferred_username": "boss", "name": "The Boss"}
    usual = OidcTokens(Issuer(provider.url, AUDIENCE), tenants)
    for unverified in ({}, {"email_verified": False}, {"email_verified": "true"}):
        token = provider.token(**claims, **unverified)
        assert (await usual.asker(token, "rest")).principal.name == "user-1"
    named = OidcTokens(Issuer(provider.url, AUDIENCE, name_claim="upn"), tenants)
    assert (await named.asker(provider.token(**claims, upn="ada"), "rest")).principal.name == "ada"
    for nothing in ({}, {"upn": ""}, {"upn": ["boss"]}):
        with pytest.raises(NotAuthenticated, match="holds no name"):
            await named.asker(provider.token(**claims, **nothing), "rest")


async def test_keys_are_read_where_nobody_on_the_way_can_change_them(
    provider: Provider, tokens: OidcTokens
) -> None:
    provider.place = "http://keys.example/keys"
    with pytest.raises(StoreUnavailable, match="not at an https:// address"):
        await tokens.asker(provider.token(), "rest")


async def test_a_known_key_does_not_wait_for_an_unknown_one(
    provider: Provider, tokens: OidcTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stranger could hold everybody up as long as the provider is slow."""
    await tokens.asker(provider.token(), "rest")
    monkeypatch.setattr("assay.api.tokens.ASKED_AGAIN", 0.0)
    provider.slow = asyncio.Event()
    stranger = provider.token(provider.keys["one"], kid="unknown")
    held = [asyncio.create_task(tokens.asker(stranger, "rest")) for _ in range(5)]
    assert await tokens.asker(provider.token(), "rest")
    provider.slow.set()
    for each in held:
        with pytest.raises(NotAuthenticated, match="does not have"):
            await each
    assert provider.asked == 2


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        *(("http://idp.example", "a"), ("https://idp", ""), ("https://", "a"), ("http://[", "a")),
        *(("http://localhost.example", "a"), ("http://127.0.0.1.example", "a"), ("ftp://idp", "a")),
    ],
)
def test_an_issuer_is_at_a_safe_place_and_has_an_audience(url: str, audience: str) -> None:
    with pytest.raises(ConfigurationError):
        Issuer(url, audience)
