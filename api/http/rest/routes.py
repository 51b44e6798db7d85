"""Puts the routes of REST, and what OpenAPI says of all of them, into an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from .. import sse
from ..problems import MEDIA_TYPE
from ..shapes import Problem
from . import administration, definitions, executions, keeping, questions
from .answers import JsonRoute

if TYPE_CHECKING:
    from fastapi import FastAPI

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
_AT = "#/components/schemas/{model}"
_BEARER = "A key of Assay, or a token of the identity provider. Without any key: nothing."


def mount(app: FastAPI) -> None:
    router = APIRouter(
        prefix="/v1",
        route_class=JsonRoute,
        responses={status: _described(about) for status, about in _ALWAYS.items()},
    )
    for subject in (definitions, executions, questions, keeping, administration):
        router.include_router(subject.router)
    router.include_router(sse.router)
    app.include_router(router)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema is not None
        found = plain()
        if not known:
            _complete(found)
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def _described(about: str) -> dict[str, Any]:
    schema = {"$ref": _AT.format(model="Problem")}
    return {"description": about, "content": {MEDIA_TYPE: {"schema": schema}}}


def _complete(found: dict[str, Any]) -> None:
    """What FastAPI leaves out: the shape of problems, and how to say who one is."""
    named = Problem.model_json_schema(ref_template=_AT)
    shapes = {**named.pop("$defs"), "Problem": named}
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {}).update(shapes)
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": _BEARER},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _BEARER},
    }
    found["security"] = [{"bearer": []}, {"key": []}, {}]
