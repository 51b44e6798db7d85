"""Who asks: found by an API key or a token, or on this machine alone, whoever sits at it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..graphs.errors import NotAuthenticated
from ..graphs.stored import Principal
from .access import Role
from .control import Asker
from .keys import expired, holder, presented

if TYPE_CHECKING:
    from .tenants import Tenants

FRESH = 2.0
"""Seconds for which a key is believed without asking the store again."""

KNOWN = 4096
"""Keys that are remembered at once."""

LOCAL = Principal("local", "local", Role.ADMIN)
"""Whoever sits at the machine of a server that has no keys."""


class Tokens(Protocol):
    """Reads tokens of an identity provider."""

    async def asker(self, token: str, surface: str) -> Asker:
        """Who the token speaks of. Raises `NotAuthenticated`, `StoreUnavailable`."""


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: Principal
    until: float


class Identity:
    """Tells who asks by what they present."""

    def __init__(self, tenants: Tenants, tokens: Tokens | None = None) -> None:
        self._tenants = tenants
        self._tokens = tokens
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._guarded_until = float("-inf")

    async def asker(self, credential: str | None, surface: str) -> Asker:
        """Who presents it: an API key, a token, or nothing. Raises `NotAuthenticated`."""
        if not credential:
            if await self.guarded():
                raise NotAuthenticated(
                    "An API key is needed: send it as `Authorization: Bearer assay_…`"
                )
            return Asker(LOCAL, surface)
        key = presented(credential)
        if key is not None:
            store = self._tenants.store(key.tenant)
            if store is None:
                raise NotAuthenticated("The API key is unknown or was revoked; ask for a new one.")
            at = (key.tenant, key.key_hash)
            seen = self._seen.get(at)
            if seen is None or seen.until < time.monotonic():
                self._seen.pop(at, None)
                if len(self._seen) >= KNOWN:
                    self._seen.clear()
                seen = _Seen(await holder(store, key), time.monotonic() + FRESH)
                self._seen[at] = seen
            if expired(seen.principal):
                raise NotAuthenticated("The API key has expired; ask for a new one.")
            return Asker(seen.principal, surface, key.tenant)
        if self._tokens is None:
            raise NotAuthenticated("This is not an API key of Assay, and tokens are not set up.")
        return await self._tokens.asker(credential, surface)

    async def guarded(self) -> bool:
        """Whether one has to say who one is: once there is a key, or tokens are set up."""
        if self._tokens is not None or self._guarded_until == float("inf"):
            return True
        if self._guarded_until < time.monotonic():
            if await self._tenants.any_key():
                self._guarded_until = float("inf")  # who has had keys is never open again
                return True
            self._guarded_until = time.monotonic() + FRESH
        return False
