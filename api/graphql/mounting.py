"""Where GraphQL is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route, WebSocketRoute

from .requests import answer
from .sockets import Sockets

if TYPE_CHECKING:
    from fastapi import FastAPI

PATH = "/graphql"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def mount(app: FastAPI) -> None:
    """At `/graphql`: HTTP, server-sent events and WebSockets."""
    app.router.routes.append(Route(PATH, answer, methods=_METHODS))
    app.router.routes.append(WebSocketRoute(PATH, Sockets()))
