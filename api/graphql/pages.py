"""Relay connections over the store's own cursors: a page is a page of the store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, TypeVar

import orjson
import strawberry

from ...graphs.errors import InvalidInput
from ...graphs.stored import Page
from ..control import MOST

T = TypeVar("T")
N = TypeVar("N")

FIRST = 20
"""How many a page holds unless `first` says otherwise."""

_READS = 3
"""Reads of the store that a page which begins within another may cost."""

First = Annotated[
    int, strawberry.argument(description=f"How many, from 1 to {MOST}; a page may be shorter.")
]
After = Annotated[
    str | None,
    strawberry.argument(description="A cursor: the page begins behind it. Without: at the start."),
]


@strawberry.type(description="Where a page is in its listing.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there may be more behind it.")
    has_previous_page: bool = strawberry.field(description="Whether it began behind a cursor.")
    start_cursor: str | None = strawberry.field(description="The cursor of its first item.")
    end_cursor: str | None = strawberry.field(description="Where the next page begins: `after`.")


@strawberry.type(description="An item, and its place in the listing.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="A page with it as `after` begins behind the item.")
    node: N = strawberry.field(description="The item.")


@strawberry.type(description="A page of a listing.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The items, each with its cursor.")
    nodes: list[N] = strawberry.field(description="The items alone.")
    page_info: PageInfo = strawberry.field(description="Where the page is.")


async def connected(
    read: Callable[..., Awaitable[Page[T]]],
    key: Callable[[T], str],
    node: Callable[[T], N],
    first: int,
    after: str | None,
) -> Connection[N]:
    """A page of the `read` of a listing that takes `after` and `limit`.

    The store knows where its pages end, not where their items are: the cursor of an item is
    where its page began, and its key. When the item is gone by then the page is told again,
    so nothing is missed. Raises `InvalidInput`.
    """
    if not 1 <= first <= MOST:
        raise InvalidInput(f"`first` is 1 to {MOST}, not {first}")
    start, passed = _place(after)
    found: list[tuple[str, T]] = []
    for _ in range(_READS):
        left = MOST if passed is not None else first - len(found)
        page = await read(after=start, limit=left)
        items = list(page.items)
        if passed is not None:
            keys = [key(item) for item in items]
            items = items[keys.index(passed) + 1 :] if passed in keys else items
        found += [(_cursor(start, key(item)), item) for item in items]
        start, passed = page.cursor, None
        if start is None or len(found) >= first:
            break
    more = len(found) > first or start is not None
    if len(found) > first:
        found = found[:first]
    elif found and start is not None:
        found[-1] = (_cursor(start, None), found[-1][1])
    nodes = [node(item) for _, item in found]
    cursors = [cursor for cursor, _ in found]
    end = cursors[-1] if cursors else _cursor(start, None) if start is not None else None
    info = PageInfo(
        has_next_page=more,
        has_previous_page=after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=end,
    )
    edges = [Edge(cursor=c, node=n) for c, n in zip(cursors, nodes, strict=True)]
    return Connection(edges=edges, nodes=nodes, page_info=info)


def _cursor(start: str | None, key: str | None) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([start, key])).decode()


def _place(cursor: str | None) -> tuple[str | None, str | None]:
    if cursor is None:
        return None, None
    try:
        start, key = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        start, key = 0, 0
    for each in (start, key):
        if each is not None and not isinstance(each, str):
            raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one")
    return start, key
