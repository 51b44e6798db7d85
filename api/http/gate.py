"""Who may come in at all: by the Host and Origin of a request; and what every answer carries."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from ...graphs.errors import AssayError
from .problems import of_error, problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBES = frozenset({"/healthz", "/readyz"})
"""Asked by whatever address a platform gives the machine."""

CARRIED: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""What an answer says unless whoever gives it says otherwise."""


class Gate:
    """Lets in whom a browser was not tricked into sending.

    A page of another site is let in when its origin is named. A server without keys is for
    this machine alone: it answers only to a name of this machine, or else a site that lets
    its own name lead here could ask everything.
    """

    def __init__(
        self, app: ASGIApp, *, origins: tuple[str, ...], guarded: Callable[[], Awaitable[bool]]
    ) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = None if scope["path"] in PROBES else await self._refused(scope)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})  # answered with 403
            return
        await (refused or self._app)(scope, receive, _carrying(send))

    async def _refused(self, scope: Scope) -> Response | None:
        if not scope["path"].startswith("/"):
            return problem(400, "bad_target", "Ask for a path of this server, as /v1/executions.")
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin not in self._origins and not _own(origin, host):
            return problem(
                403,
                "foreign_origin",
                f"Pages of {origin} may not ask this server; whoever runs it can name them in "
                "ASSAY_ORIGINS.",
            )
        try:
            guarded = await self._guarded()
        except AssayError as error:
            return of_error(error)
        if not guarded and not loopback(_name(host)):
            return problem(
                403,
                "foreign_host",
                f"Without keys this server answers on this machine alone, not as {host!r}; "
                "make a key: assay keys create NAME --role admin",
            )
        return None


def _own(origin: str, host: str) -> bool:
    """Whether a page is of this server itself."""
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False


def loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, reached by nobody else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host of `host:port`, `[::1]:port`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _carrying(send: Send) -> Send:
    async def carry(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in CARRIED.items():
                headers.setdefault(name, value)
        await send(message)

    return carry
