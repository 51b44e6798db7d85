"""Many rows in one statement, because each statement costs a hand-over of the interpreter."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ..records import Value

_MOST = 1024


def run(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[Value, ...]]) -> int:
    """Run the statement over the rows, which stand for VALUES in it; how many it changed.

    Rows of NULL may be among them: the statement has to pass over them.
    """
    changed = 0
    for start in range(0, len(rows), _MOST):
        some = rows[start : start + _MOST]
        width, size = len(some[0]), 1 << (len(some) - 1).bit_length()
        values = list(chain.from_iterable(some))
        values += [None] * (width * (size - len(some)))
        changed += connection.execute(_filled(sql, width, size), values).rowcount
    return changed


@cache
def _filled(sql: str, width: int, size: int) -> str:
    """The statement for so many rows: powers of two, so that it is soon prepared."""
    row = f"({', '.join('?' * width)})"
    return sql.replace("VALUES", f"VALUES {', '.join([row] * size)}")
