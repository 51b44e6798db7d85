"""What was said first under a key. What is promised stands in the `Store` port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..records import checked

if TYPE_CHECKING:
    import sqlite3


def first(connection: sqlite3.Connection, key: str, value: str, expires_at: float) -> str:
    checked(key, "The key")
    connection.execute("DELETE FROM firsts WHERE expires_at <= ?", (time.time(),))
    connection.execute(
        "INSERT INTO firsts (key, value, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (key, value, expires_at),
    )
    (kept,) = connection.execute("SELECT value FROM firsts WHERE key = ?", (key,)).fetchone()
    return str(kept)
