"""A line for each request that was answered, as JSON, for whoever runs the server."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

import orjson

from ...graphs.execution import timestamp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..control import Asker

_ASKED = "assay.asked"
_log = logging.getLogger("assay.requests")


def write_requests() -> None:
    """From now on write them to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def note(scope: Scope, asker: Asker) -> None:
    """It is they who ask."""
    if (asked := scope.get(_ASKED)) is not None:
        asked.update(by=asker.principal.id, tenant=asker.tenant)


class Logged:
    """Tells of each request when it is over, also of one that nobody waited for.

    Not its query, which may hold what is nobody else's business.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        at, since, status = timestamp(), time.perf_counter(), 0
        asked = scope[_ASKED] = {"by": None, "tenant": ""}

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            line = {
                "at": at,
                "method": scope["method"],
                "path": scope["path"],
                "status": status or 500,
                "ms": round((time.perf_counter() - since) * 1000, 1),
                "address": (scope.get("client") or ("",))[0],
                **asked,
            }
            _log.info(orjson.dumps(line).decode())
