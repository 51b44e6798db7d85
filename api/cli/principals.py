"""Whoever has a key, and people on chat platforms: told, and changes of what they may noted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput
from ...graphs.execution import timestamp
from ...graphs.stored import AuditEntry
from ...graphs.units import parse_duration
from ..access import Operation, most
from ..identity import LOCAL
from ..keys import expired
from .text import clean

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.stored import Principal

CHAT = "chat:"
"""What the ids of people on chat platforms begin with."""


def told(principal: Principal) -> dict[str, Any]:
    """As JSON."""
    return {
        "id": principal.id,
        "name": principal.name,
        "role": principal.role,
        "scopes": list(principal.scopes),
        "profile": most(principal),
        "created_at": principal.created_at,
        "expires_at": principal.expires_at,
    }


def listed(principal: Principal) -> str:
    """Its line among others."""
    scopes = f" on {' '.join(principal.scopes)}" if principal.scopes else ""
    state = "expired" if expired(principal) else f"until {principal.expires_at}"
    ends = f", {state}" if principal.expires_at else ""
    may = f"{principal.role}, {most(principal)}{scopes}"
    return clean(f"{principal.id}  {may}  {principal.name}{ends}")


async def record(store: Store, done: Operation, id: str, data: dict[str, Any]) -> None:
    """In the audit of a store, by whoever sits here."""
    rule = "whoever can open the store may"
    entry = AuditEntry(timestamp(), LOCAL.id, done, id, True, rule, {**data, "surface": "cli"})
    await store.record(entry)


def lasts(text: str | None) -> timedelta | None:
    """What `--expires` says. Raises `InvalidInput`."""
    if text is None:
        return None
    try:
        return timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"--expires: {error}") from error
