"""Holds the queries of a SQLite store against their plans: no table that grows is read whole."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from assay.store.sqlite.database import Database

GIVEN = {"n", "new", "wanted", "candidates", "json_each"}
"""Rows that the query itself brings, or has found by an index before."""

STAYS_SMALL = {
    "inbox": "messages are gone as soon as the execution's worker has read them",
    "i": "the inbox again",
    "s": "slots: as many as are held or waited for",
    "principals": "as many as there are keys, read a page at a time",
    "workflows": "as many as people have registered, read a page at a time",
}
"""Tables, by the names they have in queries, that may be read whole, and why."""

RARE = (
    "DELETE FROM cache WHERE instr(",
    "DELETE FROM verdicts WHERE at <",
    "SELECT count(*) FROM journal WHERE execution NOT IN",
    "SELECT e.id, j.before, j.first FROM (",
    "SELECT (SELECT count(*) FROM cache) -",
    "INSERT INTO memories SELECT workflow, topic, max(at) FROM turns",
)
"""What a person asks for by a piece of text, which no index finds, or has looked through or
counted; and what a migration does once."""

_SCAN = re.compile(r"SCAN (?!(?:\d+ )?CONSTANT)(\w+)(?P<index> USING )?")
_QUERY = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b")


class ReadWhole(AssertionError):
    """A query that takes the longer, the more was ever kept."""


@contextmanager
def watched() -> Iterator[None]:
    """Every query of the stores opened inside finds its rows by an index. Raises `ReadWhole`."""
    seen: set[str] = set()
    opened = Database.open

    def open_watched(self: Database) -> sqlite3.Connection:
        connection = opened(self)
        connection.set_trace_callback(seen.add)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "open", open_watched)
        yield
    check(seen)


def check(statements: set[str]) -> None:
    """Explain each in an empty database, where only the schema decides. Raises `ReadWhole`."""
    with closing(Database(None).create()) as connection:
        for statement in filter(_QUERY.match, statements):
            if statement.startswith(RARE) or "sqlite_" in statement:
                continue
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                _judge(detail, statement)


def _judge(detail: str, statement: str) -> None:
    scan = _SCAN.match(detail)
    if scan is None or scan[1] in GIVEN or scan[1] in STAYS_SMALL:
        return
    if scan["index"] and "LIMIT" in statement:  # a page, in the order of an index
        return
    raise ReadWhole(f"{detail}: {' '.join(statement.split())[:500]}")
