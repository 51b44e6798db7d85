"""What `assay serve` says of the triggers that it fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...graphs.errors import StoreError
from ...graphs.listing import every
from .text import plural
from .triggers import local

if TYPE_CHECKING:
    from ...graphs.firing import Trigger
    from ..tenants import Tenants

_MANY = 1000
"""Triggers that are counted at most."""

_LISTED = 20


async def watching(tenants: Tenants, url: str, *, detailed: bool) -> Sequence[str]:
    """How many triggers fire; `detailed`: and the first of them, with their time or address."""
    try:
        found = await _enabled(tenants)
    except StoreError:
        return ()  # whoever serves warns of it for as long as it is so
    if not found:
        return ()
    many = f"more than {_MANY:,} triggers" if len(found) > _MANY else plural(len(found), "trigger")
    said = [f"{many} {'fires' if len(found) == 1 else 'fire'}"]
    if detailed:
        said += [f"  {_row(tenant, each, url)}" for tenant, each in found[:_LISTED]]
        if len(found) > _LISTED:
            said.append("  …: assay trigger list")
    return said


async def _enabled(tenants: Tenants) -> list[tuple[str, Trigger]]:
    """With the tenant that each is of; one more than `_MANY` at most."""
    found: list[tuple[str, Trigger]] = []
    for name in tenants.names:
        async for trigger in every(tenants.app(name).manager.store.triggers):
            if trigger.enabled:
                found.append((name, trigger))
            if len(found) > _MANY:
                return found
    return found


def _row(tenant: str, trigger: Trigger, url: str) -> str:
    said = f"{trigger.id} ({trigger.type})"
    if trigger.type == "webhook":
        place = f"{tenant}/{trigger.id}" if tenant else trigger.id
        return f"{said}  {url}/hooks/{place}"
    if trigger.type == "cron" and trigger.next_at is not None:
        return f"{said}  next {local(trigger.next_at)}"
    return said
