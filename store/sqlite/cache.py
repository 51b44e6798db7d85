"""Step results kept by cache key. What the functions promise stands in the `Store` port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...graphs.execution import StepResult
from .records import decode, encode

if TYPE_CHECKING:
    import sqlite3


def get(connection: sqlite3.Connection, key: str) -> StepResult | None:
    row = connection.execute(
        "SELECT document FROM cache WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
        (key, time.time()),
    ).fetchone()
    return None if row is None else StepResult.from_dict(decode(row[0], f"Cache entry {key}"))


def put(connection: sqlite3.Connection, key: str, result: StepResult, ttl: float | None) -> None:
    now = time.time()
    connection.execute("DELETE FROM cache WHERE expires_at <= ?", (now,))
    connection.execute(
        "INSERT OR REPLACE INTO cache (key, document, expires_at) VALUES (?, ?, ?)",
        (
            key,
            encode(result.to_dict(), f"The result of step {result.path}"),
            None if ttl is None else now + ttl,
        ),
    )
