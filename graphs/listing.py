"""Listings read page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .stored import Page

T = TypeVar("T")


async def every(
    read: Callable[..., Awaitable[Page[T]]], *asked: Any, **named: Any
) -> AsyncGenerator[T]:
    """Everything that a listing holds which is asked so, from page to page."""
    after: str | None = None
    while True:
        page = await read(*asked, **named, after=after)
        for item in page.items:
            yield item
        if (after := page.cursor) is None:
            return
