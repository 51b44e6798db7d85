"""The application that answers HTTP: every surface, over the same desk."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from .asking import Desk
from .problems import answer_with_problems

if TYPE_CHECKING:
    from ..identity import Identity
    from ..tenants import Tenants


def application(tenants: Tenants, identity: Identity) -> FastAPI:
    """The ASGI application over apps that are open, and stay so while it serves."""
    app = FastAPI(
        title="Assay",
        version=version("assay"),
        description="Runs AI-agent workflows that prove their work.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.desk = Desk(tenants, identity)
    answer_with_problems(app)
    return app
