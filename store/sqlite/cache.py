"""Step results kept by cache key. What the functions promise stands in the `Store` port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...graphs.execution import StepResult
from ..records import checked, decode, encode, revive

if TYPE_CHECKING:
    import sqlite3


def get(connection: sqlite3.Connection, key: str) -> StepResult | None:
    row = connection.execute(
        "SELECT document FROM cache WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
        (key, time.time()),
    ).fetchone()
    if row is None:
        return None
    what = f"Cache entry {key}"
    data = decode(row[0], what)
    return revive(lambda: StepResult.from_dict(data), what)


class Caching:
    """A result on its way into the cache, encoded when this is made."""

    def __init__(self, key: str, result: StepResult, ttl: float | None) -> None:
        """Raises `StoreError` when the result is not JSON."""
        document = encode(result.to_dict(), f"The result of step {result.path}")
        self._now = time.time()
        self._row = (
            checked(key, "The cache key"),
            result.path,
            document,
            None if ttl is None else self._now + ttl,
        )

    def __call__(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM cache WHERE expires_at <= ?", (self._now,))
        connection.execute(
            "INSERT OR REPLACE INTO cache (key, path, document, expires_at) VALUES (?, ?, ?, ?)",
            self._row,
        )


def count(connection: sqlite3.Connection) -> int:
    found = connection.execute(
        "SELECT (SELECT count(*) FROM cache) -"
        " (SELECT count(*) FROM cache WHERE expires_at IS NOT NULL AND expires_at <= ?)",
        (time.time(),),
    ).fetchone()
    return int(found[0])


def invalidate(connection: sqlite3.Connection, prefix: str) -> int:
    return connection.execute(
        "DELETE FROM cache WHERE instr(key, ?1) = 1 OR instr(path, ?1) = 1", (prefix,)
    ).rowcount
