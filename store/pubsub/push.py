"""Messages that Pub/Sub pushes to us over HTTP: only what Google signed is read."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from ...graphs.errors import InvalidInput, NotAuthorized, StoreUnavailable
from .envelope import Letter

ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
GOOGLE: Final = "https://www.googleapis.com/oauth2/v1/certs"
SKEW: Final = 10
"""Seconds by which clocks may differ."""

_KEPT: Final = 3600.0
_ASKED_AGAIN: Final = 60.0
"""Seconds: how long keys are kept, and how soon they are asked for again for an unknown one."""


class Unauthenticated(NotAuthorized):
    """Nobody knows who pushes: the token is missing, or not one that Google signed for us."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A message as it was pushed. Answer 2xx to acknowledge it."""

    letter: Letter
    message_id: str
    subscription: str
    sender: str


class Keys:
    """The public keys of whoever signs, by key id; fetched when needed, and kept."""

    def __init__(self, url: str = GOOGLE) -> None:
        """The URL answers a JSON object of key ids and PEM certificates or public keys."""
        self._url = url
        self._keys: Mapping[str, str] = {}
        self._fetched: float | None = None
        self._fetching = asyncio.Lock()

    async def having(self, key_id: str) -> Mapping[str, str]:
        """The keys, with that one if it exists. Raises `StoreUnavailable`."""
        async with self._fetching:
            age = _KEPT if self._fetched is None else time.monotonic() - self._fetched
            if age >= (_ASKED_AGAIN if key_id not in self._keys else _KEPT):
                self._keys = await self._fetch()
                self._fetched = time.monotonic()
        return self._keys

    async def _fetch(self) -> Mapping[str, str]:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = (await client.get(self._url)).raise_for_status()
                keys = orjson.loads(answer.content)
        except (httpx.HTTPError, orjson.JSONDecodeError) as error:
            raise StoreUnavailable(f"The keys at {self._url} cannot be had: {error}") from error
        if not isinstance(keys, dict):
            raise StoreUnavailable(f"What is at {self._url} is no set of keys")
        return {name: key for name, key in keys.items() if isinstance(key, str)}


async def verify(
    headers: Mapping[str, str],
    body: bytes,
    audience: str,
    keys: Keys,
    *,
    sender: str | None = None,
) -> Pushed:
    """The message of a push request, when its token was signed for this audience.

    `sender` is the e-mail address of the service account that the subscription pushes as;
    without it, any account of Google will do: give it unless the audience is a secret.
    Raises `Unauthenticated`, `NotAuthorized` for somebody else's token, `InvalidInput` for a
    body that is no push, `StoreUnavailable` when the keys cannot be had.
    """
    claims = await _claims(_token(headers), audience, keys)
    said = claims.get("email") if claims.get("email_verified") is True else None
    if sender is not None and said != sender:
        raise NotAuthorized(f"The push comes from {said!r}; only {sender!r} may push here")
    return _read(body, str(said or ""))


def _token(headers: Mapping[str, str]) -> str:
    given = next((v for n, v in headers.items() if n.lower() == "authorization"), "")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The push has no bearer token; let the subscription push with OIDC")
    return token.strip()


async def _claims(token: str, audience: str, keys: Keys) -> Mapping[str, Any]:
    try:
        header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise Unauthenticated("The push's token is not signed with RS256 by a named key")
        certificates = await keys.having(header["kid"])
        claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
            token, certs=certificates, audience=audience, clock_skew_in_seconds=SKEW
        )
    except (GoogleAuthError, ValueError, TypeError) as error:
        raise Unauthenticated(f"The push's token is not valid: {error}") from error
    if claims.get("iss") not in ISSUERS:
        raise Unauthenticated(f"The push's token was not issued by Google: {claims.get('iss')!r}")
    return claims


def _read(body: bytes, sender: str) -> Pushed:
    try:
        document = orjson.loads(body)
        message = document["message"]
        letter = Letter(
            base64.b64decode(message.get("data") or "", validate=True),
            {str(n): str(v) for n, v in (message.get("attributes") or {}).items()},
            str(message.get("orderingKey") or ""),
        )
        return Pushed(letter, str(message["messageId"]), str(document["subscription"]), sender)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(f"The body is no push of Pub/Sub: {type(error).__name__}") from error
