"""How values become JSON text in a column and come back, and how a listing is paged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from ...graphs.errors import InvalidInput, StoreError
from ...graphs.ports import Page

T = TypeVar("T")


def encode(value: Any, what: str) -> str:
    """JSON text of the value; raises `StoreError` that names `what` when it has none."""
    try:
        return orjson.dumps(value, default=_plain).decode()
    except orjson.JSONEncodeError as error:
        raise StoreError(f"{what} cannot be kept as JSON: {error}.") from error


def decode(text: str, what: str) -> Any:
    """The value of a column's JSON text; raises `StoreError` when it is damaged."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{what} is damaged in the store: {error}.") from error


def fetch_size(limit: int) -> int:
    """How many rows to ask for: one more than the page holds tells whether there are more."""
    if limit < 1:
        raise InvalidInput(f"A page holds at least 1 entry, not {limit}; give a higher limit.")
    return min(limit, 2**31) + 1


def page(items: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """The first `limit` of the items, with the cursor of the last if there are more."""
    if len(items) <= limit:
        return Page(items)
    return Page(items[:limit], cursor(items[limit - 1]))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
