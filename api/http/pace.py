"""How often one may ask, by principal and by address. Counted in this process alone."""

from __future__ import annotations

import ipaddress
import math
import time
from typing import TYPE_CHECKING

from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import MutableHeaders

from ...graphs.errors import RateLimited
from ..identity import LOCAL
from .gate import PROBES, loopback
from .problems import of_error

if TYPE_CHECKING:
    from limits import RateLimitItem
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..control import Asker
    from .front import Front

_TOLD = "assay.pace"


class Pace:
    """Counts who asks. Whoever sits at this machine, at a server without keys, is not held up."""

    def __init__(self, front: Front) -> None:
        self._rate, self._address_rate = front.rate, front.address_rate
        self._hook_rate = front.hook_rate
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def principal(self, connection: HTTPConnection, asker: Asker) -> None:
        """One more request of somebody known. Raises `RateLimited`."""
        if self._rate is not None and asker.principal != LOCAL:
            told = connection.scope.get(_TOLD, {})
            await self._hit(self._rate, told, "principal", asker.tenant, asker.principal.id)

    async def hook(self, connection: HTTPConnection, tenant: str, trigger: str) -> None:
        """One more delivery for a webhook, from who may fire it. Raises `RateLimited`."""
        if self._hook_rate is not None:
            told = connection.scope.get(_TOLD, {})
            await self._hit(self._hook_rate, told, "webhook", tenant, trigger)

    async def address(self, address: str, told: dict[str, str]) -> None:
        """One more request from somewhere. Raises `RateLimited`."""
        if self._address_rate is not None and not loopback(address):
            await self._hit(self._address_rate, told, "address", network(address))

    async def _hit(self, rate: RateLimitItem, told: dict[str, str], who: str, *names: str) -> None:
        allowed = await self._limiter.hit(rate, who, *names)
        stats = await self._limiter.get_window_stats(rate, who, *names)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        told["RateLimit-Limit"] = str(rate.amount)
        told["RateLimit-Remaining"] = str(max(0, stats.remaining) if allowed else 0)
        told["RateLimit-Reset"] = str(reset)
        if not allowed:
            verb = "be fired" if who == "webhook" else "ask"
            raise RateLimited(
                f"One {who} may {verb} {rate.amount} times in {rate.get_expiry()} s here; "
                f"ask again in {reset} s",
                reset,
            )


class Paced:
    """Holds up addresses that ask too often, and tells everybody how often they may yet."""

    def __init__(self, app: ASGIApp, *, pace: Pace) -> None:
        self._app = app
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        told: dict[str, str] = {}
        scope[_TOLD] = told

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        try:
            await self._pace.address((scope.get("client") or ("127.0.0.1",))[0], told)
        except RateLimited as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1013})
            else:
                await of_error(error)(scope, receive, tell)
            return
        await self._app(scope, receive, tell)


def network(address: str) -> str:
    """What one household has: an address, or with IPv6 a /64."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, 64), strict=False).network_address)
