"""What every part of a client stands on: a server, and listings page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

from .server import Server

T = TypeVar("T")

PAGE = 100
"""Items that are asked for at once."""


class Asking:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def _get(self, place: str, /, **params: Any) -> Any:
        return await self._server.ask("GET", place, params=params)

    async def _listed(
        self, place: str, read: Callable[[Mapping[str, Any]], T], **params: Any
    ) -> AsyncGenerator[T]:
        after = None
        while True:
            page = await self._get(place, **params, after=after, limit=PAGE)
            for item in page["items"]:
                yield read(item)
            after = page["next"]
            if after is None:
                return
