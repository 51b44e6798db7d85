"""OIDC: tokens that an identity provider signed for this server, by keys that it publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import orjson

from ..graphs.errors import ConfigurationError, NotAuthenticated, StoreUnavailable
from ..graphs.profiles import PROFILES
from ..graphs.stored import Principal
from .access import Role
from .control import Asker

if TYPE_CHECKING:
    from .tenants import Tenants

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Asymmetric ones only: with any other, whoever knows the public key could sign."""

SKEW: Final = 10
"""Seconds by which clocks may differ."""

KEPT: Final = 3600.0
ASKED_AGAIN: Final = 60.0
"""Seconds: how long keys are kept, and how soon they are asked for again for an unknown one."""

LARGEST: Final = 1_000_000
"""Bytes of a key set or a discovery document."""

LONGEST: Final = 16_384
"""Characters of a token."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken, for whom, and which claims say what the sender may do.

    `role_claim` holds a role or a list of them, of which the highest counts; `scopes_claim`
    patterns of workflows, a list or words; `tenant_claim` the name of a tenant; `profile_claim`
    the security profile that bounds what the sender begins, if not that of the role.
    Approvers go by names: `name_claim` must be one that nobody can change for themselves. Without
    one, it is an `email` that the issuer has verified, or else the subject.
    """

    url: str
    audience: str
    role_claim: str = "assay_role"
    scopes_claim: str = "assay_scopes"
    tenant_claim: str = "assay_tenant"
    profile_claim: str = "assay_profile"
    name_claim: str = ""

    def __post_init__(self) -> None:
        """Raises `ConfigurationError`."""
        if not _safe(self.url):
            raise ConfigurationError(f"The issuer {self.url!r} is not at an https:// address")
        if not self.audience:
            raise ConfigurationError("Tokens need an audience: name what they are made out for")


class OidcTokens:
    """Reads the tokens of one issuer."""

    def __init__(self, issuer: Issuer, tenants: Tenants) -> None:
        self._issuer = issuer
        self._tenants = tenants
        self._keys = KeySet(issuer.url)

    async def asker(self, token: str, surface: str) -> Asker:
        """Who the token speaks of. Raises `NotAuthenticated`, `StoreUnavailable`."""
        if len(token) > LONGEST:
            raise NotAuthenticated("The token is too long; nobody issues such.")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated(f"This is neither an API key nor a token: {error}.") from error
        if header.get("alg") not in ALGORITHMS:
            raise NotAuthenticated(
                f"The token is signed by {header.get('alg')!r}; there are: {', '.join(ALGORITHMS)}"
            )
        key = await self._keys.key(str(header.get("kid", "")))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._issuer.audience,
                issuer=self._issuer.url,
                leeway=SKEW,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, TypeError, ValueError) as error:
            raise NotAuthenticated(f"The token is not valid: {error}.") from error
        return self._of(claims, surface)

    def _of(self, claims: Mapping[str, Any], surface: str) -> Asker:
        subject = claims["sub"]
        role = _highest(_words(claims.get(self._issuer.role_claim)))
        if role is None:
            raise NotAuthenticated(
                f"The token names no role of Assay in its claim {self._issuer.role_claim!r}; "
                f"there are: {', '.join(Role)}"
            )
        tenant = claims.get(self._issuer.tenant_claim, "")
        if not isinstance(tenant, str) or self._tenants.store(tenant) is None:
            raise NotAuthenticated(f"There is no tenant {tenant!r} here.")
        scopes = _words(claims.get(self._issuer.scopes_claim))
        if self._issuer.scopes_claim in claims and not scopes:
            raise NotAuthenticated(
                f"The token's claim {self._issuer.scopes_claim!r} covers no workflow."
            )
        profile = claims.get(self._issuer.profile_claim, "")
        if not isinstance(profile, str) or (profile and profile not in PROFILES):
            raise NotAuthenticated(
                f"The token's claim {self._issuer.profile_claim!r} is no security profile; "
                f"there are: {', '.join(PROFILES)}"
            )
        named = (f"oidc:{subject}", self._name(claims), role, tuple(scopes))
        principal = Principal(*named, profile=profile)
        return Asker(principal, surface, tenant)

    def _name(self, claims: Mapping[str, Any]) -> str:
        claim = self._issuer.name_claim
        name = claims.get(claim or "email")
        if claim and not (isinstance(name, str) and name):
            raise NotAuthenticated(f"The token's claim {claim!r} holds no name.")
        if not claim and claims.get("email_verified") is not True:
            name = None  # anybody may have written that there
        return name if isinstance(name, str) and name else str(claims["sub"])


class KeySet:
    """The public keys of an issuer, by key id; fetched when needed, and kept."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer.rstrip("/")
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, id: str) -> jwt.PyJWK:
        """Raises `NotAuthenticated` when there is none of that id, `StoreUnavailable`.

        Whoever has a known key does not wait for the issuer on account of one who has not.
        """
        age = KEPT if self._fetched is None else time.monotonic() - self._fetched
        if age >= (KEPT if id in self._keys else ASKED_AGAIN):
            await asyncio.shield(self._renewing())
        if id not in self._keys:
            raise NotAuthenticated("The token is signed with a key that its issuer does not have.")
        return self._keys[id]

    def _renewing(self) -> asyncio.Task[None]:
        """One request for all who wait; when it fails, it fails for all of them."""

        async def renew() -> None:
            self._keys = await self._fetch()
            self._fetched = time.monotonic()

        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.ensure_future(renew())
            self._fetching.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._fetching

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        try:
            async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
                about = await self._read(client, f"{self._issuer}/.well-known/openid-configuration")
                if not _safe(place := str(about["jwks_uri"])):
                    raise ValueError(f"{place!r} is not at an https:// address")
                found = await self._read(client, place)
            usable = ((each["kid"], _usable(each)) for each in found["keys"] if "kid" in each)
            return {str(id): key for id, key in usable if key is not None}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnavailable(
                f"The keys of {self._issuer} cannot be had: {type(error).__name__}: {error}"
            ) from error

    async def _read(self, client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
        async with client.stream("GET", url) as response:
            response.raise_for_status()
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise ValueError(f"{url} answers more than {LARGEST} bytes")
        found: Mapping[str, Any] = orjson.loads(body)
        return found


def _safe(url: str) -> bool:
    """Whether nobody on the way could answer in its place."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))


def _usable(key: Mapping[str, Any]) -> jwt.PyJWK | None:
    """None for what no signature is tried with: RFC 7517 has sets hold keys for others, too."""
    if key.get("kty") not in ("RSA", "EC", "OKP") or key.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(dict(key))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def _highest(roles: Sequence[str]) -> Role | None:
    return next((role for role in reversed(Role) if role in roles), None)


def _words(claim: object) -> Sequence[str]:
    if isinstance(claim, str):
        return claim.split()
    if isinstance(claim, list):
        return [each for each in claim if isinstance(each, str)]
    return ()
