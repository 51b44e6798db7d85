"""`assay keys`: make, list and revoke API keys, in the store itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput
from ...graphs.execution import timestamp
from ...graphs.stored import AuditEntry
from ...graphs.units import parse_duration
from ...store.connect import connect
from ..access import Operation
from ..identity import LOCAL
from ..keys import expired, issue
from ..opening import place_of
from ..settings import read_settings
from .exits import OK
from .output import Output
from .text import clean

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.stored import Principal


async def create(
    name: str, role: str, scopes: Sequence[str], expires: str | None, tenant: str, *, json: bool
) -> int:
    """A new key, told this one time. Raises `InvalidInput`, `ConfigurationError`."""
    issued = issue(name, role, scopes, tenant=tenant, lasts=_lasts(expires))
    principal, out = issued.principal, Output()
    async with _store(tenant) as store:
        data = {"name": name, "role": role, "scopes": list(scopes)}
        await _record(store, Operation.CREATE_KEY, principal.id, data)
        await store.put_principal(principal)
    if json:
        out.json({**_about(principal), "secret": issued.secret})
        return OK
    until = f", until {principal.expires_at}" if principal.expires_at else ""
    out.line(f"key {principal.id} for {clean(name)}: {role}{until}; it is told this one time:")
    out.line(issued.secret)
    return OK


async def show(tenant: str, *, json: bool) -> int:
    """Every key there is, without its secret. Raises `ConfigurationError`."""
    out, after = Output(), None
    found: list[Principal] = []
    async with _store(tenant) as store:
        while True:
            page = await store.principals(after=after, limit=100)
            found += page.items
            if (after := page.cursor) is None:
                break
    if json:
        out.json([_about(principal) for principal in found])
        return OK
    for each in found:
        scopes = f" on {' '.join(each.scopes)}" if each.scopes else ""
        state = "expired" if expired(each) else f"until {each.expires_at}"
        ends = f", {state}" if each.expires_at else ""
        out.line(clean(f"{each.id}  {each.role}{scopes}  {each.name}{ends}"))
    if not found:
        out.line("there are no keys")
    return OK


async def revoke(id: str, tenant: str) -> int:
    """From now on nobody is let in with it. Raises `InvalidInput` when it is not there."""
    async with _store(tenant) as store:
        principal = await store.principal(id=id)
        if principal is None:
            raise InvalidInput(f"there is no key {id!r}; assay keys list shows those there are")
        await _record(store, Operation.REVOKE_KEY, id, {})
        await store.delete_principal(id)
    Output().line(clean(f"revoked {id}, the key of {principal.name}"))
    return OK


@asynccontextmanager
async def _store(tenant: str) -> AsyncIterator[Store]:
    store = await connect(place_of(read_settings(), tenant)[0])
    try:
        yield store
    finally:
        await store.close()


async def _record(store: Store, done: Operation, id: str, data: dict[str, Any]) -> None:
    rule = "whoever can open the store may"
    entry = AuditEntry(timestamp(), LOCAL.id, done, id, True, rule, {**data, "surface": "cli"})
    await store.record(entry)


def _lasts(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"--expires: {error}") from error


def _about(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "name": principal.name,
        "role": principal.role,
        "scopes": list(principal.scopes),
        "created_at": principal.created_at,
        "expires_at": principal.expires_at,
    }
