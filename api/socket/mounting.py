"""Where the WebSocket is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import WebSocketRoute

from .connection import serve

if TYPE_CHECKING:
    from fastapi import FastAPI

PATH = "/v1/ws"


def mount(app: FastAPI) -> None:
    """At `/v1/ws`."""
    app.router.routes.append(WebSocketRoute(PATH, serve))
