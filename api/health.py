"""How a worker is, over HTTP: that it lives, that it can work; and a doorbell for pushes."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..graphs.errors import AssayError, InvalidInput, NotAuthorized, StoreUnavailable

if TYPE_CHECKING:
    from ..store.pubsub.push import Keys
    from .app import App

DEADLINE = 3.0
"""Seconds in which the store has to answer."""

FRESH = 1.0
"""Seconds for which its answer is told again, for whoever asks may ask often."""

LARGEST = 1_000_000
"""Bytes of a push; a ring has a few hundred."""

_log = logging.getLogger("assay.health")


@dataclass(frozen=True, slots=True)
class Pushing:
    """Whose pushes are taken: signed for the audience, and by the sender if one is named."""

    audience: str
    sender: str | None
    keys: Keys


def health(app: App, pushing: Pushing | None = None, *, deadline: float = DEADLINE) -> Starlette:
    """`/healthz` and `/readyz`, and `POST /work` when rings are pushed."""
    readiness = Readiness(app, deadline)

    async def healthz(_: Request) -> Response:
        alive = app.provider.alive
        return _said({"alive": alive}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        checks = await readiness.checks()
        ready = set(checks.values()) == {"ok"}
        return _said({"ready": ready, **checks}, 200 if ready else 503)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if pushing is not None:

        async def work(request: Request) -> Response:
            return await _work(app, pushing, request)

        routes.append(Route("/work", work, methods=["POST"]))
    return Starlette(routes=routes)


class Readiness:
    """What a worker needs in order to take work, each `ok` or why not."""

    def __init__(self, app: App, deadline: float) -> None:
        self._app = app
        self._deadline = deadline
        self._asking = asyncio.Lock()
        self._store = ""
        self._asked = float("-inf")

    async def checks(self) -> dict[str, str]:
        return {
            "store": await self._reached(),
            "bus": self._app.bus.away or "ok",
            "worker": "draining" if self._app.provider.draining else "ok",
        }

    async def _reached(self) -> str:
        """Asked by one at a time: the others are told the same."""
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH:
                self._store = await self._reach()
                self._asked = time.monotonic()
            return self._store

    async def _reach(self) -> str:
        try:
            async with asyncio.timeout(self._deadline):
                await self._app.manager.executions(limit=1)
        except TimeoutError:
            return f"no answer within {self._deadline:g} s"
        except AssayError as error:
            return error.message
        return "ok"


async def _work(app: App, pushing: Pushing, request: Request) -> Response:
    """2xx only when nobody has to ring again: it is driven, here or elsewhere, or has ended."""
    from ..store.pubsub.envelope import Unreadable, read_ring
    from ..store.pubsub.push import Unauthenticated, verify

    try:
        body = await _body(request)
        pushed = await verify(
            request.headers, body, pushing.audience, pushing.keys, sender=pushing.sender
        )
        answered = await app.provider.answer(read_ring(pushed.letter))
    except Unauthenticated as error:
        return _refused(401, error.message, {"WWW-Authenticate": "Bearer"})
    except NotAuthorized as error:
        return _refused(403, error.message)
    except (InvalidInput, Unreadable) as error:
        return _refused(400, str(error))
    except StoreUnavailable as error:
        return _refused(503, error.message, {"Retry-After": "1"})
    if not answered:
        why = "draining" if app.provider.draining else "as much runs here as may"
        return _refused(503, why, {"Retry-After": "1"})
    return Response(status_code=204)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InvalidInput(f"A push has {LARGEST} bytes at most")
    return bytes(body)


def _refused(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    _log.info("a push is refused with %s: %s", status, why)
    return _said({"error": why}, status, headers)


def _said(what: dict[str, object], status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(what, status, {"Cache-Control": "no-store", **(headers or {})})
