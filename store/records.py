"""How values become JSON text in a column and come back, and how a listing is paged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from ..graphs.errors import InvalidInput, StateCorrupted, StoreError
from ..graphs.execution import Status
from ..graphs.stored import Page

T = TypeVar("T")
R = TypeVar("R")

OPEN = ", ".join(f"'{status.value}'" for status in Status if not status.terminal)
"""The statuses of executions that have not ended, for `status IN (...)`."""

_log = logging.getLogger("assay.store")

Value = str | bytes | int | float | None
"""What a column holds."""


def encode(value: Any, what: str) -> str:
    """JSON text of the value; raises `StoreError` that names `what` when it has none."""
    try:
        return orjson.dumps(value, default=_plain).decode()
    except orjson.JSONEncodeError as error:
        raise StoreError(f"{what} cannot be kept as JSON: {error}.") from error


def decode(text: str, what: str) -> Any:
    """The value of a column's JSON text; raises `StateCorrupted` when it is damaged."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StateCorrupted(f"{what} is damaged in the store: {error}.") from error


def revive(make: Callable[[], R], what: str) -> R:
    """What `make` makes of decoded values; raises `StateCorrupted` when they do not fit."""
    try:
        return make()
    except (KeyError, TypeError, ValueError) as error:
        raise StateCorrupted(f"{what} is damaged in the store: {error!r}.") from error


def sound(rows: Iterable[T], make: Callable[[T], R]) -> Iterator[R]:
    """What `make` makes of the rows that can be read: what is damaged holds up nothing else."""
    for row in rows:
        try:
            yield make(row)
        except StateCorrupted as error:
            _log.error("it is passed over: %s", error.message)


def checked(text: str, what: str) -> str:
    """The text, if it can name something; else raises `InvalidInput`."""
    if not text:
        raise InvalidInput(f"{what} is empty; give some text.")
    if "\0" in text:
        raise InvalidInput(f"{what} {text!r} holds a NUL character; give text without it.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} {text!a} is not valid Unicode; give proper text.") from error
    return text


def fetch_size(limit: int) -> int:
    """How many rows to ask for: one more than the page holds tells whether there are more."""
    if limit < 1:
        raise InvalidInput(f"A page holds at least 1 entry, not {limit}; give a higher limit.")
    return min(limit, 2**31) + 1


def page(
    rows: Sequence[T], limit: int, cursor: Callable[[T], object], make: Callable[[T], R]
) -> Page[R]:
    """The first `limit` of the rows, with the cursor of the last if there are more."""
    shown = rows[:limit]
    return Page([make(row) for row in shown], str(cursor(shown[-1])) if len(rows) > limit else None)


def pair(first: str, second: str) -> str:
    """A cursor of two texts."""
    return orjson.dumps([first, second]).decode()


def paired(cursor: str) -> tuple[str, str]:
    """The two texts of a cursor; raises `InvalidInput`."""
    try:
        first, second = orjson.loads(cursor)
        if isinstance(first, str) and isinstance(second, str):
            return first, second
    except (TypeError, ValueError):
        pass
    raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one.")


def number(cursor: str | None, default: int) -> int:
    """The cursor of a listing in order of numbers; raises `InvalidInput`."""
    if cursor is None:
        return default
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one.")
    return int(cursor)


def where(terms: Mapping[str, Value]) -> tuple[str, tuple[Value, ...]]:
    """A WHERE clause of the terms whose value is not None, and those values."""
    wanted = {term: value for term, value in terms.items() if value is not None}
    clause = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    return clause, tuple(wanted.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
