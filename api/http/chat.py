"""`POST /chat/{platform}`: what chat platforms send. Their signature is the credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...graphs.errors import NotRegistered
from .asking import desk
from .problems import problem

if TYPE_CHECKING:
    from fastapi import FastAPI


def mount(app: FastAPI) -> None:
    app.router.routes.append(Route("/chat/{platform}", take, methods=["POST"]))


async def take(request: Request) -> Response:
    """Answered with 2xx only when what was in it is durable."""
    chat, platform = desk(request).chat, request.path_params["platform"]
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        if chat is None:
            raise NotRegistered("no chat platform is set up")
        answer = await chat.accept(platform, headers, await request.body())
    except NotRegistered:
        return problem(404, "not_found", "No such chat platform is set up here; see ASSAY_CHAT.")
    return Response(answer.body, answer.status, media_type=answer.media_type)
