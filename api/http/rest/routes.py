"""Puts the routes of REST, and what OpenAPI says of all of them, into an application."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from .. import hooks, sse
from ..problems import MEDIA_TYPE
from . import (
    administration,
    definitions,
    executions,
    keeping,
    memories,
    models,
    questions,
    triggers,
)
from .openapi import describe, name

_ALWAYS = {
    400: "The request cannot be read.",
    401: "Nobody knows who asks.",
    403: "Whoever asks may not.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "The request is not what it should be.",
    429: "Somebody asks too often.",
    503: "The store does not answer now.",
}


def mount(app: FastAPI) -> None:
    app.router.routes.extend(_routes())
    describe(app)


@cache
def _routes() -> Sequence[BaseRoute]:
    """They hold nothing of any application, and take a while to make."""
    app = FastAPI(openapi_url=None)
    router = APIRouter(
        prefix="/v1",
        generate_unique_id_function=name,
        responses={status: _described(about) for status, about in _ALWAYS.items()},
    )
    subjects = (
        definitions,
        executions,
        questions,
        keeping,
        models,
        memories,
        administration,
        triggers,
    )
    for subject in subjects:
        router.include_router(subject.router)
    router.include_router(sse.router)
    app.include_router(router)
    app.include_router(
        hooks.router,
        generate_unique_id_function=name,
        responses={**router.responses, 409: _described("The trigger is switched off.")},
    )
    return app.router.routes


def document() -> bytes:
    """The description of REST, as the file in the repository has it."""
    app = FastAPI()
    mount(app)
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2) + b"\n"


def _described(about: str) -> dict[str, Any]:
    return {"description": about, "content": {MEDIA_TYPE: {}}}
