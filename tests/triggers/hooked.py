"""A server in this process whose triggers fire, with a tenant beside, and its secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

import assay
from assay.api.http.front import Front
from assay.api.identity import Identity
from assay.api.serving import served as serve
from assay.api.settings import read_settings
from assay.api.surfaces import application
from assay.api.tenants import Tenants
from assay.graphs.execution import Execution
from assay.graphs.firing import Firing, FiringStatus
from assay.triggers.desk import Desk
from assay.triggers.webhooks.delivery import Delivery

from .signing import NEW, SECRET

SAYS = {
    "name": "says",
    "inputs": {"text": {"type": "string", "default": ""}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "{{ inputs.text }}"}}
    ],
}
WAITS = {
    **SAYS,
    "name": "waits",
    "steps": [{"id": "gate", "type": "wait_event", "event": "go"}, *SAYS["steps"]],
}


@dataclass
class Hooked:
    """`now` is what the triggers take for the time, None: the time it is."""

    http: httpx.AsyncClient
    tenants: Tenants
    now: float | None = None

    def app(self, tenant: str = "") -> assay.App:
        return self.tenants.app(tenant)

    @property
    def desk(self) -> Desk:
        return self.app().triggers.desk

    async def hook(
        self,
        verify: Mapping[str, Any],
        document: Mapping[str, Any] = SAYS,
        tenant: str = "",
        *,
        when: str = "true",
        **fields: Any,
    ) -> str:
        """A workflow with one webhook, and its path."""
        trigger = {"type": "webhook", "verify": verify, "if": when, **fields}
        await self.app(tenant).register({**document, "triggers": [trigger]})
        return f"/hooks/{tenant + '/' if tenant else ''}{document['name']}.webhook"

    async def post(self, path: str, sent: Delivery) -> httpx.Response:
        return await self.http.post(
            path, content=sent.body, headers=dict(sent.headers), params=list(sent.query)
        )

    async def firings(self, trigger: str = "says.webhook", tenant: str = "") -> list[Firing]:
        page = await self.app(tenant).manager.store.firings(trigger=trigger)
        return list(page.items)

    async def begun(self, answer: httpx.Response, tenant: str = "") -> Execution:
        """The execution that an answer names, when it has ended."""
        manager = self.app(tenant).manager
        async with asyncio.timeout(60):
            while True:
                firing = await manager.store.firing(answer.json()["firing_id"])
                if firing.status is FiringStatus.STARTED:
                    return await manager.wait(answer.json()["execution_id"])
                assert firing.status.open, firing.reason
                await asyncio.sleep(0.01)


@asynccontextmanager
async def hooked(folder: Path, *, front: Front | None = None) -> AsyncIterator[Hooked]:
    workspace, home = folder / "workspace", folder / "home"
    workspace.mkdir(exist_ok=True)
    environ = {
        "ASSAY_SECRET_HOOK": SECRET,
        "ASSAY_SECRET_NEW": NEW,
        "ASSAY_SECRET_GITHUB_HOOK": SECRET,
        "ASSAY_SECRET_BROKEN": "no base64 at all!",
        "ASSAY_SECRETS": str(folder / "secrets"),
    }
    theirs = folder / "secrets" / "tenants" / "other"
    theirs.mkdir(parents=True, exist_ok=True)
    (theirs / "hook").write_text(NEW)
    settings = replace(
        read_settings(environ, folder), home=home, store=f"sqlite:///{home}/assay.db"
    )
    async with AsyncExitStack() as stack:
        tenants = await stack.enter_async_context(Tenants(settings, workspace, ["other"]))
        for app in tenants.apps:
            app.manager.serve()
            await stack.enter_async_context(app.triggers.running())
        url = await stack.enter_async_context(
            serve(application(tenants, Identity(tenants), front), "127.0.0.1:0")
        )
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
        yield Hooked(http, tenants)
