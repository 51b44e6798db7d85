"""Our server: what it is given to run, and one in this process, for the profile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from limits import parse

from assay.api.http.front import Front
from assay.api.identity import Identity
from assay.api.keys import issue
from assay.api.serving import served
from assay.api.settings import read_settings
from assay.api.surfaces import application
from assay.api.tenants import Tenants

from . import ours
from .hosts import Host
from .wire import Wire


def document(steps: int) -> ours.Document:
    return {**ours.chain("python", steps), "name": f"chain-{steps}"}


async def register(host: Host, steps: Sequence[int]) -> None:
    """The chains that are begun."""
    async with Wire(host.port, host.key) as wire:
        for count in steps:
            await wire.post("/v1/workflows", document(count))


@asynccontextmanager
async def here(folder: Path, steps: Sequence[int]) -> AsyncIterator[Host]:
    """A server in this process, as `assay serve` makes it."""
    settings = replace(read_settings({}), home=folder, store=f"sqlite:///{folder}/assay.db")
    rate = parse("1000000/minute")
    async with Tenants(settings, folder) as tenants:
        app = tenants.app()
        app.function("noop", ours.noop)
        new = issue("bench", "admin")
        await app.manager.store.put_principal(new.principal)
        app.manager.serve()
        front = Front(rate=rate, address_rate=rate)
        answering = application(tenants, Identity(tenants), front)
        async with served(answering, "127.0.0.1:0") as url:
            host = Host("Assay", int(url.rpartition(":")[2]), new.secret, os.getpid())
            await register(host, steps)
            yield host
