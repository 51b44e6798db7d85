"""`assay keys`: make, list and revoke API keys, in the store itself or at a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from ...graphs.errors import InvalidInput
from ...graphs.listing import every
from ...store.connect import connect
from ..access import Operation, most
from ..keys import Issued, issue
from ..opening import place_of
from ..settings import read_settings
from .exits import OK
from .opened import client, server
from .output import Output
from .principals import CHAT, lasts, listed, record, told
from .text import clean

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.stored import Principal


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
        out.json({**told(principal), "secret": issued.secret})
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
        # Those of people on chat platforms have no key: `assay chat list` shows them.
        found = [each async for each in kept.keys() if not each.id.startswith(CHAT)]  # noqa: SIM118
    if json:
        out.json([told(each) for each in found])
        return OK
    out.lines(map(listed, found))
    if not found:
        out.line("there are no keys")
    return OK


async def revoke(id: str, tenant: str) -> int:
    """From now on nobody is let in with it. Raises `InvalidInput` when it is not there."""
    async with _open(tenant) as kept:
        found = [each async for each in kept.keys() if each.id == id]  # noqa: SIM118
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

    def keys(self) -> AsyncIterator[Principal]:
        return every(self._store.principals)

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
        await record(self._store, Operation.CREATE_KEY, issued.principal.id, data)
        await self._store.put_principal(issued.principal)
        return issued

    async def revoke_key(self, id: str) -> None:
        await record(self._store, Operation.REVOKE_KEY, id, {})
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
