"""From a request to who asks, and to what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from ...graphs.errors import NotAuthenticated
from ..control import Asker, Control
from ..listening import Farewell
from .front import Front
from .metrics import Metrics
from .pace import Pace
from .requests import note

if TYPE_CHECKING:
    from ...triggers.chat.desk import ChatDesk
    from ..identity import Identity
    from ..tenants import Tenants


class Desk:
    """What every surface of one server shares; at `app.state.desk`."""

    def __init__(self, tenants: Tenants, identity: Identity, front: Front | None = None) -> None:
        self.tenants = tenants
        self.identity = identity
        self.front = front or Front()
        self.pace = Pace(self.front)
        self.metrics = Metrics()
        self.farewell = Farewell()
        self.chat: ChatDesk | None = None
        """What takes in what people say to bots, of the server's own store."""

    def control(self, asker: Asker) -> Control:
        app = self.tenants.app(asker.tenant)
        return Control(app.manager, asker, app.triggers.desk)

    async def let_in(self, connection: HTTPConnection, surface: str) -> Control:
        """What the sender of a request may do. Raises `NotAuthenticated`, `RateLimited`."""
        asker = await self.identity.asker(credential(connection), surface)
        note(connection.scope, asker)
        await self.pace.principal(connection, asker)
        return self.control(asker)


def credential(connection: HTTPConnection) -> str | None:
    """What somebody presents: `Authorization: Bearer …`, or `X-API-Key`.

    Raises `NotAuthenticated` for several: a proxy before this server may have read another.
    """
    given = {key.strip() for key in connection.headers.getlist("x-api-key")}
    for header in connection.headers.getlist("authorization"):
        scheme, _, rest = header.strip().partition(" ")
        if scheme.lower() == "bearer":
            given.add(rest.strip())
    given.discard("")
    if len(given) > 1:
        raise NotAuthenticated("Several credentials are given; send the one that is meant.")
    return given.pop() if given else None


def desk(connection: HTTPConnection) -> Desk:
    found: Desk = connection.app.state.desk
    return found


async def rest_control(connection: HTTPConnection) -> Control:
    """Who asks over REST. Raises as `let_in`."""
    return await desk(connection).let_in(connection, "rest")
