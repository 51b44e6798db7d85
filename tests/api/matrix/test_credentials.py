"""What lets nobody in, at any door: keys and tokens that are none, or not any more, or not yet."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.api.http.conftest import Served, serving
from tests.api.issuing import AUDIENCE, Provider, encoded, providing
from websockets.exceptions import InvalidStatus

from assay.api.access import Role
from assay.api.http.front import Front
from assay.api.keys import issue
from assay.api.tokens import Issuer, OidcTokens

from .doors import DOORS, GRAPHQL_WS, IN, OUT, QUERY, heard, opened

pytestmark = pytest.mark.anyio


class Place(NamedTuple):
    """A server, and the provider whose tokens it takes."""

    served: Served
    provider: Provider
    refused: dict[str, str]


@pytest.fixture(scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Place]:
    async with (
        providing() as provider,
        serving(
            tmp_path_factory.mktemp("credentials"),
            front=Front(rate=None),
            tokens=lambda tenants: OidcTokens(Issuer(provider.url, AUDIENCE), tenants),
        ) as served,
    ):
        yield Place(served, provider, {**await _keys(served), **_tokens(provider)})


@pytest.mark.parametrize("door", DOORS)
async def test_good_ones_are_let_in(place: Place, door: str) -> None:
    provider = place.provider
    for good in (
        *(place.served.keys["viewer"], place.served.keys["admin"]),
        *(provider.token(), provider.token(assay_role="viewer")),
    ):
        assert await DOORS[door](place.served.url, good) == IN
    if door != "metrics":  # which are of every tenant
        for good in (place.served.keys["other viewer"], provider.token(assay_tenant="other")):
            assert await DOORS[door](place.served.url, good) == IN


@pytest.mark.parametrize("door", DOORS)
async def test_bad_ones_are_not_let_in(place: Place, door: str) -> None:
    told = {}
    for what, credential in place.refused.items():
        said = await DOORS[door](place.served.url, credential)
        if said != OUT:
            told[what] = said
    assert told == {}


@pytest.mark.parametrize("headers", ["both", "two bearers", "two keys"])
async def test_of_several_credentials_none_counts(place: Place, headers: str) -> None:
    """A proxy may have looked at one, and this server at another."""
    keys = place.served.keys

    def of(one: str, other: str) -> list[tuple[str, str]]:
        bearer = [("Authorization", f"Bearer {key}") for key in (one, other)]
        key = [("X-API-Key", key) for key in (one, other)]
        return {"both": [bearer[0], key[1]], "two bearers": bearer, "two keys": key}[headers]

    async with httpx.AsyncClient(base_url=place.served.url, timeout=60) as http:
        for one, other in ((keys["viewer"], keys["admin"]), (keys["admin"], "nothing")):
            for given in (of(one, other), of(other, one)):
                refused = await http.get("/v1/workflows", headers=given)
                assert refused.status_code == 401
                graph = await http.post("/graphql", json=QUERY, headers=given)
                assert graph.status_code == 401
                assert (await http.post("/mcp", json={}, headers=given)).status_code == 401
                async with opened(f"{place.served.url}/graphql", given, GRAPHQL_WS) as socket:
                    await socket.send('{"type": "connection_init"}')
                    assert await heard(socket, "connection_ack", 4403) == OUT
                async with opened(f"{place.served.url}/v1/ws", given) as socket:
                    await socket.send('{"type": "hello"}')
                    assert await heard(socket, "welcome", 4401) == OUT
        same = await http.get("/v1/workflows", headers=of(keys["viewer"], keys["viewer"]))
        assert same.status_code == 200


@pytest.mark.parametrize("name", ["key", "api_key", "apiKey", "access_token", "token", "X-API-Key"])
async def test_in_an_address_a_credential_counts_for_nothing(place: Place, name: str) -> None:
    """There it would be in histories, and in the logs of proxies."""
    url, key = place.served.url, place.served.keys["admin"]
    query, stream = {name: key}, {"Accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=url, timeout=60, params=query) as http:
        for answer in (
            await http.get("/v1/workflows"),
            await http.get("/v1/events", headers=stream),
            await http.get("/metrics"),
            await http.post("/graphql", json=QUERY),
            await http.post("/mcp", json={}),
        ):
            assert answer.status_code == 401
            assert key not in answer.text
    async with opened(f"{url}/graphql?{name}={key}", {}, GRAPHQL_WS) as socket:
        await socket.send('{"type": "connection_init"}')
        assert await heard(socket, "connection_ack", 4403) == OUT
    async with opened(f"{url}/v1/ws?{name}={key}", {}) as socket:
        await socket.send('{"type": "hello"}')
        assert await heard(socket, "welcome", 4401) == OUT


async def test_no_credential_is_told_or_logged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    key, url = place.served.keys["admin"], place.served.url
    secrets = [key, key[:-1], place.provider.token(), place.refused["a stranger's signature"]]
    with caplog.at_level(logging.INFO):
        for secret in secrets:
            headers = {"Authorization": f"Bearer {secret}"}
            async with httpx.AsyncClient(base_url=url, timeout=60, headers=headers) as http:
                for answer in (
                    await http.get(f"/v1/workflows?key={secret}"),
                    await http.get("/v1/nothing"),
                    await http.get("/v1/keys"),
                    await http.get("/v1/audit"),
                    await http.post("/graphql", json={"query": "{ broken"}),
                    await http.post("/mcp", content=b"{"),
                ):
                    assert secret not in answer.text
                    assert secret not in str(answer.headers)
    # Of clients, and of requests, which pytest alone hears: nobody else is told of those.
    others = ("httpx", "httpcore", "uvicorn.access")
    mine = [record for record in caplog.records if not record.name.startswith(others)]
    for secret in secrets:
        assert not [record for record in mine if secret in record.getMessage()]


@pytest.mark.parametrize("size", [9_000, 60_000, 200_000])
async def test_headers_of_any_length_are_answered(place: Place, size: int) -> None:
    """And never with a 500."""
    url, long = place.served.url, {"Authorization": "Bearer " + "x" * size}
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=long) as http:
        for answer in (
            await http.get("/v1/workflows"),
            await http.post("/graphql", json=QUERY),
            await http.post("/mcp", json={}),
        ):
            assert answer.status_code in (400, 401, 431)
    with pytest.raises(InvalidStatus) as refused:
        async with opened(f"{url}/graphql", long, GRAPHQL_WS):
            pass
    assert refused.value.response.status_code in (400, 431)


async def _keys(served: Served) -> dict[str, str]:
    good = served.keys["admin"]
    store = served.tenants.app().manager.store
    expired, revoked = issue("expired", Role.ADMIN), issue("revoked", Role.ADMIN)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await store.put_principal(replace(expired.principal, expires_at=past))
    await store.put_principal(revoked.principal)
    await store.delete_principal(revoked.principal.id)
    return {
        "an unknown key": issue("unknown", Role.ADMIN).secret,
        "an expired key": expired.secret,
        "a revoked key": revoked.secret,
        "a key of a tenant that is not": issue("x", Role.ADMIN, tenant="nobodys").secret,
        "a key with another tenant in it": good.replace("assay_", "assay_other_", 1),
        "a key cut short": good[:-1],
        "a key made longer": good + "A",
        "a key in capitals": good.upper(),
        "the hash of a key": "0" * 64,
        "the id of a key": good.split("_")[1],
        "two keys": f"{good} {good}",
        "two keys with a comma": f"{good},{good}",
        "a pattern of keys": "assay_%_%",
        "nothing like a key": "password",
        "the name of the local one": "local",
    }


def _tokens(provider: Provider) -> dict[str, str]:
    now = int(time.time())
    stranger: Any = rsa.generate_private_key(65537, 2048)
    own = jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    head, body, signature = provider.token().split(".")
    other = provider.token(assay_role="admin").split(".")[1]

    def by_stranger(**header: Any) -> str:
        return jwt.encode(claims, stranger, "RS256", header)

    return {
        "HS256 with the public key": provider.confused(),
        **{
            f"signed by nobody ({algorithm!r})": provider.unsigned(algorithm)
            for algorithm in ("none", "None", "NONE", "", None, 7, ["RS256"], {"a": 1}, True)
        },
        "expired": provider.token(iat=now - 600, exp=now - 60),
        "not yet valid": provider.token(nbf=now + 600),
        "issued in the future": provider.token(iat=now + 600),
        "valid for ever": provider.token(exp=None),
        "an end that is no number": provider.token(exp="soon"),
        "for somebody else": provider.token(aud="another"),
        "for somebody like us": provider.token(aud=AUDIENCE + "/"),
        "for nobody": provider.token(aud=None),
        "of another issuer": provider.token(iss="https://elsewhere.example"),
        "of an issuer that begins so": provider.token(iss=provider.url + ".evil.example"),
        "of no issuer": provider.token(iss=None),
        "of nobody": provider.token(sub=None),
        "of no role": provider.token(assay_role=None),
        "of a role there is not": provider.token(assay_role="root"),
        "of a tenant there is not": provider.token(assay_tenant="nobodys"),
        "of no scope": provider.token(assay_scopes=[]),
        "an unknown key id": provider.token(provider.keys["one"], kid="unknown"),
        "a key id that is a path": provider.token(provider.keys["one"], kid="../../dev/null"),
        "no key id": jwt.encode(claims, provider.keys["one"], "RS256"),
        "a stranger's signature": by_stranger(kid="one"),
        "a stranger's key in the token": by_stranger(kid="one", jwk=own),
        "a stranger's keys at an address": by_stranger(kid="one", jku="http://127.0.0.1:1/keys"),
        "the claims of another": f"{head}.{other}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[:100]}",
        "a header that is a list": f"{encoded([])}.{body}.{signature}",  # type: ignore[arg-type]
        "claims that are a list": jwt.api_jws.encode(
            b"[]", provider.keys["one"], "RS256", {"kid": "one"}
        ),
        "a header of great depth": f"{'W1tb' * 2000}.{body}.{signature}",
        "too long": provider.token(padding="x" * 20_000),
        "dots": "..",
        "three letters": "a.b.c",
        "no ASCII": "é.é.é",
    }
