"""Who calls: over HTTP the sender of each request, over stdio whoever sits at the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

    from ..control import Control

    Context = ServerRequestContext[Any, Any]


class Callers(Protocol):
    """From a request of the protocol to what its sender may do."""

    def control(self, context: Context) -> Control: ...

    async def still(self, context: Context) -> None:
        """Raises `NotAuthenticated` when its sender is let in no longer."""


class Owner:
    """The one caller over stdio: they started this process, and may do what it may."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def control(self, context: Context) -> Control:
        return self._control

    async def still(self, context: Context) -> None:
        return None
