"""The journals of all executions in the order of their commits, by the server's time in each entry.

What is promised stands in the `Store` port.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphs.errors import InvalidInput, StateCorrupted
from ...graphs.stored import Logged
from ..records import fetch_size
from . import executions, journal, names
from .database import found_in, where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphs.stored import Entry
    from .database import Database, Found

LAG = 1_000_000  # microseconds
"""A commit is seen a moment after the time that the server has given it: what is younger than
this is not told yet, so that nothing ever appears before what was told. What is seen later than
that (`LATE`, which is sooner) is given another time; who had read it already reads it again."""

_SINCE_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


async def read(database: Database, after: str, limit: int) -> Sequence[Logged]:
    """Below the root there may be other roots, whose entries are passed over."""
    size = fetch_size(limit) - 1
    depth = len(database.all(names.JOURNAL)._path) + 3
    while True:
        found = await database.snapshots("query", _after(database, after).limit(size))
        told: list[Logged] = []
        for each in found:
            at = (each.get("at") - _SINCE_1970) // _MICROSECOND
            if at > _read_at(each) - LAG:
                return told
            path = each.reference._path
            here = _Place(at, path)
            id = await _id(database, path[-3]) if len(path) == depth else None
            if id is not None:
                told += await _entries(database, id, here, each, after, size - len(told))
                if len(told) == size:
                    return told
            after = here.cursor
        if told or len(found) < size:
            return told


class _Place(NamedTuple):
    """Of an entry in the log: its time, and then where it lies."""

    at: int
    path: tuple[str, ...]

    @property
    def cursor(self) -> str:
        return "/".join((str(self.at), *self.path))


async def _entries(
    database: Database, id: str, here: _Place, snapshot: Any, after: str, most: int
) -> Sequence[Logged]:
    """The entry, after those that were written ahead of the execution's beginning, if it is
    that: their place in the log is this one's. So many at most, and none before `after`."""
    found = found_in(snapshot)
    told: list[Logged] = []
    if found.get("follows"):
        above = (str(here.at), *here.path[:-1])
        *before, last = after.split("/")
        reached = int(last) if tuple(before) == above else 0
        for entry in await journal.some(database, id, reached, most):
            if entry.last < found["first"]:
                cursor = "/".join((*above, names.digits(entry.last)))
                told.append(Logged(id, entry, cursor))
    if len(told) < most:
        with contextlib.suppress(_GoneError):
            told.append(Logged(id, await _entry(database, id, found, snapshot), here.cursor))
    return told


class _GoneError(Exception):
    """An entry was deleted while it was read."""


async def _entry(database: Database, id: str, found: Found, snapshot: Any) -> Entry:
    try:
        return await journal.parse(database, id, found)
    except StateCorrupted:
        if (await database.get(snapshot.reference)) == [None]:
            raise _GoneError from None
        raise


async def end(database: Database) -> str:
    (looked,) = await database.snapshots("get", [database.at(names.JOURNAL, "none")])
    return str(_read_at(looked) - LAG)


def _after(database: Database, cursor: str) -> Any:
    query = database.everywhere(names.ENTRIES)
    ordered = query.order_by("at").order_by("__name__")
    if not cursor:
        return ordered
    micros, *path = cursor.split("/")
    proper = micros.isascii() and micros.isdigit() and len(micros) < 18
    if not proper or (path and not _is_entry(database, path)):
        raise InvalidInput(f"{cursor!r} is no cursor of this listing; begin without one.")
    at = _SINCE_1970 + int(micros) * _MICROSECOND
    if not path:
        return where(query, "at", ">", at).order_by("at").order_by("__name__")
    return ordered.start_after({"at": at, "__name__": database.client.document(*path)})


def _read_at(snapshot: Any) -> int:
    """The server's time then, in microseconds since 1970."""
    time = snapshot.read_time
    if isinstance(time, datetime):  # the client makes one of a get's, and not of a query's
        return (time - _SINCE_1970) // _MICROSECOND
    return int(time.seconds * 1_000_000 + time.nanos // 1000)


def _is_entry(database: Database, path: Sequence[str]) -> bool:
    """Whether an entry may lie there: below this root."""
    root = database.all(names.JOURNAL)._path[:-1]
    below = tuple(path[: len(root)]) == root and len(path) - len(root) in (4, 6)
    return below and all(path) and (path[-4], path[-2]) == (names.JOURNAL, names.ENTRIES)


async def _id(database: Database, name: str) -> str | None:
    """Of the execution whose journal has that name; None when it was deleted meanwhile."""
    known = names.text(name)
    if known is not None:
        return known
    return await executions.id_at(database, name)
