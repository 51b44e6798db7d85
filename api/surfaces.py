"""The application that answers HTTP: every surface, over the same desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from .graphql import mounting as graphql
from .http import chat, probes, rest
from .http.asking import Desk
from .http.bodies import Bodies
from .http.front import Front
from .http.gate import Gate
from .http.metrics import Measured
from .http.pace import Paced
from .http.problems import answer_with_problems
from .http.requests import Logged
from .mcp import door as mcp
from .socket import mounting as socket

if TYPE_CHECKING:
    from .identity import Identity
    from .tenants import Tenants


def application(tenants: Tenants, identity: Identity, front: Front | None = None) -> FastAPI:
    """The ASGI application over apps that are open, and stay so while it serves."""
    desk = Desk(tenants, identity, front)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,  # to where a Host header says
    )
    app.state.desk, app.state.farewell = desk, desk.farewell
    answer_with_problems(app)
    rest.mount(app)
    graphql.mount(app)
    socket.mount(app)
    probes.mount(app, tenants, desk.metrics)
    mcp.mount(app)
    chat.mount(app)
    _guard(app, desk)
    return app


def _guard(app: FastAPI, desk: Desk) -> None:
    """What a request meets before any surface does: the last one here is the first it meets."""
    front = desk.front
    app.add_middleware(Bodies, largest=front.largest, patience=front.patience)
    app.add_middleware(Paced, pace=desk.pace)
    if front.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=front.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=_ASKED,
            expose_headers=_TOLD,
        )
    app.add_middleware(Gate, origins=front.origins, guarded=desk.identity.guarded)
    app.add_middleware(Measured, metrics=desk.metrics)
    app.add_middleware(Logged)


_ASKED = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"),
    *("Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version", "Mcp-Session-Id", "X-API-Key"),
)
_TOLD = (
    *("ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit-Limit", "RateLimit-Remaining"),
    *("Mcp-Session-Id", "RateLimit-Reset", "Retry-After"),
)
