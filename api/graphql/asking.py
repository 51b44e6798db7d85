"""Who asks, as every resolver sees it: what they may do, and what has been read for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strawberry.types import Info

from ..gathering import Gathering
from ..http.asking import Desk, credential
from .loaders import Loaders

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from ..control import Asker


class Asking:
    """The context of one operation; a socket's is renewed for each of its operations."""

    def __init__(self, desk: Desk, connection: HTTPConnection, surface: str) -> None:
        self.desk = desk
        self.connection = connection
        self.surface = surface
        self.credential: str | None = None
        """What the first message of a socket presents; else it stands in the headers."""
        self.connection_params: dict[str, Any] | None = None
        self.place: str | None = None
        """The cursor of a subscription: everything up to it has been sent, or was not wanted."""
        self._control: Gathering | None = None
        self._loaders: Loaders | None = None

    def admit(self, asker: Asker) -> None:
        self._control = Gathering.of(self.desk.control(asker))

    async def identify(self) -> Asker:
        """Who it is, now. Raises `NotAuthenticated`, `StoreUnavailable`."""
        presented = self.credential or credential(self.connection)
        return await self.desk.identity.asker(presented, self.surface)

    def reach(self, cursor: str) -> None:
        self.place = cursor

    def renewed(self) -> Asking:
        """For the next operation: nothing that was read before is remembered."""
        fresh = Asking(self.desk, self.connection, self.surface)
        fresh.credential, fresh._control = self.credential, self._control
        return fresh

    @property
    def control(self) -> Gathering:
        assert self._control is not None, "nobody resolves anything before they are let in"
        return self._control

    @property
    def loaders(self) -> Loaders:
        if self._loaders is None:
            self._loaders = Loaders(self.control)
        return self._loaders


Of = Info[Asking, None]
"""What a resolver is told beside its arguments."""
