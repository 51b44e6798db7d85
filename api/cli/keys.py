"""`assay keys`: make, list and revoke API keys, in the store itself or at a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from ...graphs.errors import InvalidInput
from ...graphs.execution import timestamp
from ...graphs.stored import AuditEntry
from ...graphs.units import parse_duration
from ...store.connect import connect
from ..access import Operation, most
from ..identity import LOCAL
from ..keys import Issued, expired, issue
from ..opening import place_of
from ..settings import read_settings
from .exits import OK
from .opened import client, server
from .output import Output
from .text import clean

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.stored import Principal


CHAT = "chat:"
"""What the ids of people on chat platforms begin with."""


async def create(
    name: str,
    role: str,
    scopes: Sequence[str],
    expires: str | None,
    profile: str,
    tenant: str,
    *,
    json: bool,
) -> int:
    """A new key, told this one time. Raises `InvalidInput`, `ConfigurationError`."""
    time = lasts(expires)
    async with _open(tenant) as kept:
        issued = await kept.create_key(name, role, scopes, time, profile)
    principal, out = issued.principal, Output()
    if json:
        out.json({**_about(principal), "secret": issued.secret})
        return OK
    until = f", until {principal.expires_at}" if principal.expires_at else ""
    what = f"{role}, {most(principal)}{until}"
    out.line(f"key {principal.id} for {clean(name)}: {what}; it is told this one time:")
    out.line(issued.secret)
    return OK


async def show(tenant: str, *, json: bool) -> int:
    """Every key there is, without its secret. Raises `ConfigurationError`."""
    out = Output()
    async with _open(tenant) as kept:
        every = kept.keys()
        # Those of people on chat platforms have no key: `assay chat list` shows them.
        found = [each async for each in every if not each.id.startswith(CHAT)]
    if json:
        out.json([_about(principal) for principal in found])
        return OK
    for each in found:
        scopes = f" on {' '.join(each.scopes)}" if each.scopes else ""
        state = "expired" if expired(each) else f"until {each.expires_at}"
        ends = f", {state}" if each.expires_at else ""
        out.line(clean(f"{each.id}  {each.role}, {most(each)}{scopes}  {each.name}{ends}"))
    if not found:
        out.line("there are no keys")
    return OK


async def revoke(id: str, tenant: str) -> int:
    """From now on nobody is let in with it. Raises `InvalidInput` when it is not there."""
    async with _open(tenant) as kept:
        every = kept.keys()
        found = [principal async for principal in every if principal.id == id]
        if not found:
            raise InvalidInput(f"there is no key {id!r}; assay keys list shows those there are")
        principal = found[0]
        await kept.revoke_key(id)
    Output().line(clean(f"revoked {id}, the key of {principal.name}"))
    return OK


class _Keys(Protocol):
    """Where keys are kept."""

    def keys(self) -> AsyncIterator[Principal]: ...
    async def create_key(
        self,
        name: str,
        role: str,
        scopes: Sequence[str],
        lasts: timedelta | None,
        profile: str,
    ) -> Issued: ...
    async def revoke_key(self, id: str) -> None: ...


class _StoreKeys:
    """A store: whoever can open it may."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def keys(self) -> AsyncIterator[Principal]:
        after = None
        while True:
            page = await self._store.principals(after=after, limit=100)
            for principal in page.items:
                yield principal
            if (after := page.cursor) is None:
                return

    async def create_key(
        self,
        name: str,
        role: str,
        scopes: Sequence[str],
        lasts: timedelta | None,
        profile: str,
    ) -> Issued:
        issued = issue(name, role, scopes, tenant=self._tenant, lasts=lasts, profile=profile)
        about = {"name": name, "role": role, "scopes": list(scopes)}
        data = {**about, "profile": most(issued.principal)}
        await _record(self._store, Operation.CREATE_KEY, issued.principal.id, data)
        await self._store.put_principal(issued.principal)
        return issued

    async def revoke_key(self, id: str) -> None:
        await _record(self._store, Operation.REVOKE_KEY, id, {})
        await self._store.delete_principal(id)


@asynccontextmanager
async def _open(tenant: str) -> AsyncIterator[_Keys]:
    url = server()
    if url is not None:
        if tenant:
            raise InvalidInput("a server knows the tenant by the key (ASSAY_KEY); leave it out")
        async with client(url) as asking:
            yield asking
        return
    store = await connect(place_of(read_settings(), tenant)[0])
    try:
        yield _StoreKeys(store, tenant)
    finally:
        await store.close()


async def _record(store: Store, done: Operation, id: str, data: dict[str, Any]) -> None:
    rule = "whoever can open the store may"
    entry = AuditEntry(timestamp(), LOCAL.id, done, id, True, rule, {**data, "surface": "cli"})
    await store.record(entry)


def lasts(text: str | None) -> timedelta | None:
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
        "profile": most(principal),
        "created_at": principal.created_at,
        "expires_at": principal.expires_at,
    }
