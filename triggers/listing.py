"""Listings read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from ..graphs.stored import Page

T = TypeVar("T")


async def every(read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Everything there is, from page to page."""
    after: str | None = None
    while True:
        page = await read(after)
        for item in page.items:
            yield item
        if (after := page.cursor) is None:
            return
