"""How the server is: `/healthz` and `/readyz` for platforms, `/metrics` for Prometheus."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...graphs.errors import NotAuthorized
from ..health import DEADLINE, Readiness
from .asking import rest_control
from .metrics import MEDIA_TYPE

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..tenants import Tenants
    from .metrics import Metrics

_TOLD = frozenset({"ok", "draining"})

_log = logging.getLogger("assay.http")


def mount(app: FastAPI, tenants: Tenants, metrics: Metrics) -> None:
    """A server is alive and ready when the app of every tenant is."""
    looking = [Readiness(each, DEADLINE) for each in tenants.apps]

    async def healthz(_: Request) -> Response:
        alive = all(each.provider.alive for each in tenants.apps)
        return JSONResponse({"alive": alive}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        checks: dict[str, str] = {}
        for each in looking:
            for name, said in (await each.checks()).items():
                if said not in _TOLD:
                    # Anybody may ask this: what is wrong is for the log alone.
                    _log.warning("%s: %s", name, said)
                    said = "away"
                if checks.get(name, "ok") == "ok":
                    checks[name] = said
        ready = set(checks.values()) == {"ok"}
        return JSONResponse({"ready": ready, **checks}, 200 if ready else 503)

    async def told(request: Request) -> Response:
        control = await rest_control(request)
        control.stats()
        if control.asker.tenant or control.asker.principal.scopes:
            raise NotAuthorized(
                "These figures are of every tenant and workflow: ask with a key of the server "
                "that has no scopes"
            )
        return Response(metrics.text(tenants.apps), media_type=MEDIA_TYPE)

    app.router.routes += [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", told),
    ]
