"""A server in this process, over a store of its own, and keys of every role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from assay.api.access import Role
from assay.api.http.front import Front
from assay.api.identity import Identity, Tokens
from assay.api.keys import issue
from assay.api.serving import served as serve
from assay.api.settings import read_settings
from assay.api.surfaces import application
from assay.api.tenants import Tenants


class Served(NamedTuple):
    """`keys` by role; those of the tenant `other` as `other viewer` and so on."""

    url: str
    tenants: Tenants
    keys: Mapping[str, str]

    def client(self, role: str | None = Role.ADMIN) -> httpx.AsyncClient:
        """Somebody of that role; None: nobody."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.keys[role]}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60)


async def issued(tenants: Tenants, tenant: str, role: str, *scopes: str) -> str:
    """A new key of a tenant."""
    new = issue(f"the {role}", role, scopes, tenant=tenant)
    await tenants.app(tenant).manager.store.put_principal(new.principal)
    return new.secret


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    guarded: bool = True,
    front: Front | None = None,
    tokens: Callable[[Tenants], Tokens] | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Served]:
    """A server with keys of every role, or without any."""
    workspace, home = folder / "workspace", folder / "home"
    workspace.mkdir()
    settings = replace(
        read_settings(environ or {}, folder), home=home, store=f"sqlite:///{home}/assay.db"
    )
    async with Tenants(settings, workspace, ["other"]) as tenants:
        keys = {}
        for role in Role if guarded else ():
            keys[str(role)] = await issued(tenants, "", role)
            keys[f"other {role}"] = await issued(tenants, "other", role)
        identity = Identity(tenants, None if tokens is None else tokens(tenants))
        app = application(tenants, identity, front)
        async with serve(app, "127.0.0.1:0") as url:
            yield Served(url, tenants, keys)


@pytest.fixture
async def served(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    """A server with keys of every role."""
    async with serving(tmp_path) as one:
        yield one


@pytest.fixture
async def open_server(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    """A server without any key: for this machine alone."""
    async with serving(tmp_path, guarded=False) as one:
        yield one
