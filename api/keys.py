"""API keys: shown once, kept as a hash, valid until they expire or are revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..graphs.errors import InvalidInput, NotAuthenticated
from ..graphs.execution import timestamp
from ..graphs.profiles import PROFILES
from ..graphs.stored import Principal
from .access import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graphs.ports import Store

_KEY = re.compile(r"assay_(?:([a-z0-9][a-z0-9-]{0,31})_)?([A-Za-z0-9]{8})_([A-Za-z0-9_-]{43})")

_ID = re.compile(r"[A-Za-z0-9]{8}")

LONGEST_NAME = 200
MOST_SCOPES = 100
LONGEST_SCOPE = 200


class Issued(NamedTuple):
    """A new key: `secret` is not kept anywhere and is told this one time."""

    principal: Principal
    secret: str


@dataclass(frozen=True, slots=True)
class Presented:
    """A key as somebody gave it: whose store knows it, and by which hash."""

    tenant: str
    key_hash: str


def issue(
    name: str,
    role: str,
    scopes: Sequence[str] = (),
    *,
    tenant: str = "",
    lasts: timedelta | None = None,
    profile: str = "",
) -> Issued:
    """A new principal with a key of its own; nothing is kept yet. Raises `InvalidInput`."""
    if role not in list(Role):
        raise InvalidInput(f"{role!r} is not a role; there are: {', '.join(Role)}")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"A key needs a name of 1 to {LONGEST_NAME} characters that are printed")
    if len(scopes) > MOST_SCOPES or not all(0 < len(each) <= LONGEST_SCOPE for each in scopes):
        raise InvalidInput(
            f"A key has up to {MOST_SCOPES} scopes of 1 to {LONGEST_SCOPE} characters"
        )
    if profile and profile not in PROFILES:
        there = ", ".join(PROFILES)
        raise InvalidInput(f"{profile!r} is not a security profile; there are: {there}")
    if lasts is not None and lasts <= timedelta():
        raise InvalidInput("A key cannot expire before it exists; give a time from now on")
    id = secrets.token_hex(4)
    secret = f"assay_{tenant}_{id}_" if tenant else f"assay_{id}_"
    secret += secrets.token_urlsafe(32)
    expires = None if lasts is None else (datetime.now(UTC) + lasts).isoformat()
    made = (hashed(secret), timestamp(), expires, profile)
    return Issued(Principal(id, name, role, tuple(scopes), *made), secret)


def presented(key: str) -> Presented | None:
    """What a key says of itself; None when it is not one of ours."""
    found = _KEY.fullmatch(key)
    return None if found is None else Presented(found[1] or "", hashed(key))


def is_id(text: str) -> bool:
    """Whether a key may be called so."""
    return _ID.fullmatch(text) is not None


def hashed(key: str) -> str:
    """A key has 256 random bits: nothing is gained by a slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


async def holder(store: Store, key: Presented) -> Principal:
    """Who holds the key. Raises `NotAuthenticated` when nobody does, or not any more."""
    principal = await store.principal(key_hash=key.key_hash)
    if principal is None:
        raise NotAuthenticated("The API key is unknown or was revoked; ask for a new one.")
    if expired(principal):
        raise NotAuthenticated(f"The API key expired at {principal.expires_at}; ask for a new one.")
    return principal


def expired(principal: Principal) -> bool:
    expires = principal.expires_at
    return expires is not None and datetime.fromisoformat(expires) <= datetime.now(UTC)
