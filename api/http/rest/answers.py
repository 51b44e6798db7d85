"""How REST reads and answers: JSON that is JSON, pages, tags, and problems described."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ...control import MOST, Control
from ..asking import rest_control
from ..parameters import only_known
from ..problems import MEDIA_TYPE


async def _asking(request: Request) -> Control:
    control = await rest_control(request)
    only_known(request)
    return control


Asking = Annotated[Control, Depends(_asking)]
After = Annotated[
    str | None, Query(max_length=2000, description="The `next` of the page before this one.")
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="The most items of the page.")]
Name = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$")]
Version = Annotated[str, Query(min_length=1, max_length=50)]
Id = Annotated[
    str,
    Path(pattern="^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="Of an execution."),
]


def describes(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: those refusals are possible."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema}}
    return {each: {"description": _WHY[each], "content": content} for each in statuses}


_WHY = {
    404: "There is no such thing, or none for whoever asks.",
    409: "It cannot be done as things are.",
    415: "The body is of another kind.",
    416: "There is no such part of it.",
}

TAGGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "ETag": {"description": "Of this content.", "schema": {"type": "string"}},
        }
    },
    304: {"description": "It is what `If-None-Match` names."},
}


def tagged(request: Request, model: BaseModel) -> Response:
    """The model as JSON with a tag of its content; 304 to whoever has that already."""
    body = model.model_dump_json(by_alias=True).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if matches(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def matches(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names the tag, as RFC 9110 compares them."""
    wanted = request.headers.get("if-none-match", "")
    named = {each.strip().removeprefix("W/") for each in wanted.split(",")}
    return tag in named or "*" in named


class _Strict(Request):
    """Reads JSON as RFC 8259 has it: no NaN, no halves of surrogate pairs."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """Takes JSON only, where it takes a body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, takes = super().get_route_handler(), self.body_field is not None

        async def strictly(request: Request) -> Response:
            strict = _Strict(request.scope, request.receive)
            if takes and await strict.body():
                _must_be_json(strict)
            return await handle(strict)

        return strictly


def _must_be_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/cloudevents+json"):
        raise HTTPException(415, f"The body is {kind or 'of no type'}; send application/json")
