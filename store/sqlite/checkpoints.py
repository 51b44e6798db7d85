"""LangGraph's checkpoints in SQLite, in the transactions of everything else that is written."""

from __future__ import annotations

import sqlite3
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..checkpointing.refusals import cannot_copy, cannot_go_on
from ..checkpointing.rows import Head, Put, PutWrites, Query, Remove, Value, Write
from ..checkpointing.saver import Saver
from ..checkpointing.values import apart

if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Callable,
        Collection,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..checkpointing.rows import BlobKey, Change, Place, Rows
    from .reader import Reader
    from .writer import Writer

T = TypeVar("T")

_KEY = "SELECT key FROM checkpoint_threads WHERE id = ?"
_ADD_THREAD = "INSERT INTO checkpoint_threads (id) VALUES (?)"
_PUT = (
    "INSERT INTO checkpoints (thread, namespace, id, parent, run, type, digests, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, namespace, id) DO UPDATE SET"
    " parent = excluded.parent, run = excluded.run, type = excluded.type,"
    " digests = excluded.digests, data = excluded.data"
)
_PUT_BLOB = (
    "INSERT INTO checkpoint_blobs (thread, namespace, channel, version, type, digests, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, namespace, channel, version) DO UPDATE"
    " SET type = excluded.type, digests = excluded.digests, data = excluded.data"
)
_PUT_CHUNK = (
    "INSERT INTO checkpoint_chunks (thread, digest, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_PUT_WRITE = (
    "INSERT INTO checkpoint_writes"
    " (thread, namespace, checkpoint, node, position, path, channel, type, digests, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (thread, namespace, checkpoint, node, position) DO UPDATE SET"
    " path = excluded.path, channel = excluded.channel, type = excluded.type,"
    " digests = excluded.digests, data = excluded.data WHERE position < 0"
)
_HEAD = (
    "SELECT t.id, c.namespace, c.id, c.parent, c.run, c.type, c.digests, c.data"
    " FROM checkpoint_threads t JOIN checkpoints c ON c.thread = t.key"
)
_EXISTS = "SELECT 1 FROM checkpoints WHERE thread = ? AND namespace = ? AND id = ?"
_DELETE = "DELETE FROM checkpoints WHERE thread = ? AND namespace = ? AND id = ?"
_DELETE_WRITES = (
    "DELETE FROM checkpoint_writes WHERE thread = ? AND namespace = ? AND checkpoint = ?"
)
_DELETE_BLOB = (
    "DELETE FROM checkpoint_blobs"
    " WHERE thread = ? AND namespace = ? AND channel = ? AND version = ?"
)
_DELETE_CHUNK = "DELETE FROM checkpoint_chunks WHERE thread = ? AND digest = ?"
_COPIED = {
    "checkpoints": "namespace, id, parent, run, type, digests, data",
    "checkpoint_blobs": "namespace, channel, version, type, digests, data",
    "checkpoint_writes": (
        "namespace, checkpoint, node, position, path, channel, type, digests, data"
    ),
    "checkpoint_chunks": "digest, data",
}
_CHUNKED = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
_SLICE = 200
"""Keys looked up by one statement."""


def saver_for(
    writer: Writer,
    reader: Reader | None,
    *,
    serde: SerializerProtocol | None = None,
    may_prune: Callable[[str], Awaitable[bool]] | None = None,
) -> Saver:
    """A checkpointer over an open database. Its changes join the writer's transactions.

    Call it in the event loop that will use it. Without a reader the writer reads too.
    """
    return Saver(SqliteCheckpoints(writer, reader), serde=serde, may_prune=may_prune)


class SqliteCheckpoints:
    """The `Checkpoints` port over the five tables of migration 0002."""

    def __init__(self, writer: Writer, reader: Reader | None) -> None:
        self._write = writer.run
        self._read = writer.run if reader is None else reader.run

    async def read(self, work: Callable[[Rows], Coroutine[Any, Any, T]]) -> T:
        return await self._read(lambda connection: _finish(work(_Rows(connection))))

    async def write(self, thread: str, changes: Sequence[Change]) -> None:
        await self._write(partial(_make, thread=thread, changes=changes))

    async def revise(
        self, thread: str, work: Callable[[Rows], Coroutine[Any, Any, Sequence[Change]]]
    ) -> None:
        def revised(connection: sqlite3.Connection) -> None:
            _make(connection, thread, _finish(work(_Rows(connection))))

        await self._write(revised)

    async def delete(self, thread: str) -> None:
        await self._write(partial(_delete, thread=thread))

    async def copy(self, source: str, target: str) -> None:
        await self._write(partial(_copy, source=source, target=target))


class _Rows:
    """The `Rows` port. Its methods never wait: SQLite is called where they run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    async def head(self, thread: str, namespace: str, id: str | None) -> Head | None:
        heads = await self.heads(Query(thread, namespace, id), after=None, limit=1)
        return heads[0] if heads else None

    async def heads(self, query: Query, *, after: Place | None, limit: int | None) -> list[Head]:
        conditions = {
            "t.id = ?": query.thread,
            "c.namespace = ?": query.namespace,
            "c.id = ?": query.id,
            "c.id < ?": query.before,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        where = list(given)
        if after is not None:
            where += ["c.id <= ?", "(c.id, t.id, c.namespace) < (?, ?, ?)"]
        found = self._execute(
            f"{_HEAD} WHERE {' AND '.join(where) or 'true'}"
            " ORDER BY c.id DESC, t.id DESC, c.namespace DESC LIMIT ?",
            (
                *given.values(),
                *(() if after is None else (after.id, *after)),
                -1 if limit is None else limit,
            ),
        )
        return [Head(t, n, i, p, r, Value(*value)) for t, n, i, p, r, *value in found]

    async def writes(self, thread: str, namespace: str, checkpoint: str) -> list[Write]:
        found = self._execute(
            "SELECT namespace, checkpoint, node, position, path, channel, type, digests, data"
            f" FROM checkpoint_writes WHERE thread = ({_KEY}) AND namespace = ?"
            " AND checkpoint = ?",
            (thread, namespace, checkpoint),
        )
        return [Write(n, c, t, i, p, ch, Value(*value)) for n, c, t, i, p, ch, *value in found]

    async def blobs(
        self, thread: str, namespace: str, keys: Iterable[BlobKey]
    ) -> dict[BlobKey, Value]:
        found: dict[BlobKey, Value] = {}
        for some in _slices(keys):
            rows = self._execute(
                f"WITH wanted (channel, version) AS (VALUES {_places(some, '(?, ?)')})"
                " SELECT b.channel, b.version, type, digests, data FROM wanted"
                f" CROSS JOIN checkpoint_blobs b ON thread = ({_KEY}) AND namespace = ?"
                " AND b.channel = wanted.channel AND b.version = wanted.version",
                (*chain.from_iterable(some), thread, namespace),
            )
            found.update(((row[0], row[1]), Value(*row[2:])) for row in rows)
        return found

    async def blob_keys(self, thread: str, namespace: str) -> list[BlobKey]:
        return self._execute(
            "SELECT channel, version FROM checkpoint_blobs"
            f" WHERE thread = ({_KEY}) AND namespace = ?",
            (thread, namespace),
        ).fetchall()

    async def chunks(self, thread: str, digests: Collection[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for some in _slices(digests):
            found.update(
                self._execute(
                    "SELECT digest, data FROM checkpoint_chunks"
                    f" WHERE thread = ({_KEY}) AND digest IN ({_places(some, '?')})",
                    (thread, *some),
                )
            )
        return found

    async def threads_of(self, runs: Collection[str]) -> list[str]:
        found: set[str] = set()
        for some in _slices(runs):
            rows = self._execute(
                "SELECT DISTINCT t.id FROM checkpoints c JOIN checkpoint_threads t"
                f" ON t.key = c.thread WHERE c.run IN ({_places(some, '?')})",
                some,
            )
            found.update(thread for (thread,) in rows)
        return sorted(found)


def _finish(work: Coroutine[Any, Any, T]) -> T:
    """What the work returns. It never suspends, because `_Rows` never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("a work may await nothing but rows")


def _make(connection: sqlite3.Connection, thread: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    key = _key(connection, thread)
    if key is None:
        key = connection.execute(_ADD_THREAD, (thread,)).lastrowid
        assert key is not None
    for change in changes:
        if isinstance(change, Put):
            _put(connection, key, change)
        elif isinstance(change, PutWrites):
            _put_chunks(connection, key, change.chunks)
            connection.executemany(_PUT_WRITE, ((key, *w[:6], *w.value) for w in change.writes))
        else:
            _remove(connection, key, change)
    if any(isinstance(change, Remove) for change in changes):
        _sweep(connection, key)


def _key(connection: sqlite3.Connection, thread: str) -> int | None:
    row = connection.execute(_KEY, (thread,)).fetchone()
    return None if row is None else int(row[0])


def _put(connection: sqlite3.Connection, key: int, put: Put) -> None:
    head = put.head
    if put.relies:
        _check(connection, key, put)
    _put_chunks(connection, key, put.chunks)
    connection.executemany(_PUT_BLOB, ((key, *blob[:3], *blob.value) for blob in put.blobs))
    connection.execute(_PUT, (key, head.namespace, head.id, head.parent, head.run, *head.value))


def _put_chunks(connection: sqlite3.Connection, key: int, chunks: Mapping[bytes, bytes]) -> None:
    if chunks:
        connection.executemany(_PUT_CHUNK, ((key, *chunk) for chunk in chunks.items()))


def _check(connection: sqlite3.Connection, key: int, put: Put) -> None:
    """Refuse a checkpoint that could never be read again."""
    head = put.head
    place = (key, head.namespace, head.parent)
    if head.parent is not None and connection.execute(_EXISTS, place).fetchone():
        return
    kept = _finish(_Rows(connection).blobs(head.thread, head.namespace, put.relies))
    if lost := [key for key in put.relies if key not in kept]:
        raise cannot_go_on(head, lost)


def _remove(connection: sqlite3.Connection, key: int, remove: Remove) -> None:
    gone = [(key, remove.namespace, id) for id in remove.checkpoints]
    connection.executemany(_DELETE, gone)
    connection.executemany(_DELETE_WRITES, gone)
    connection.executemany(_DELETE_BLOB, ((key, remove.namespace, *blob) for blob in remove.blobs))


def _sweep(connection: sqlite3.Connection, key: int) -> None:
    """Drop the chunks that no row of the thread names."""
    named = {
        digest
        for table in _CHUNKED
        for row in connection.execute(
            f"SELECT type, digests, data FROM {table} WHERE thread = ? AND data IS NULL", (key,)
        )
        for digest in apart(Value(*row))
    }
    there = connection.execute("SELECT digest FROM checkpoint_chunks WHERE thread = ?", (key,))
    dead = [(key, digest) for (digest,) in there if digest not in named]
    connection.executemany(_DELETE_CHUNK, dead)


def _delete(connection: sqlite3.Connection, thread: str) -> None:
    connection.execute("DELETE FROM checkpoint_threads WHERE id = ?", (thread,))


def _copy(connection: sqlite3.Connection, source: str, target: str) -> None:
    key = _key(connection, source)
    if key is None:
        return
    if _key(connection, target) is not None:
        raise cannot_copy(source, target)
    copy = connection.execute(_ADD_THREAD, (target,)).lastrowid
    for table, columns in _COPIED.items():
        connection.execute(
            f"INSERT INTO {table} (thread, {columns})"
            f" SELECT ?, {columns} FROM {table} WHERE thread = ?",
            (copy, key),
        )


def _slices(keys: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(keys)
    while some := list(islice(rest, _SLICE)):
        yield some


def _places(keys: Sequence[object], place: str) -> str:
    return ", ".join([place] * len(keys))
