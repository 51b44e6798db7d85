"""The only thread that writes: one transaction for everything that waits, one fsync for all."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .database import Database

T = TypeVar("T")

GROUP = 1024
"""How many works one transaction holds at most."""


class Writer:
    """Runs works in a thread of its own, many to a transaction; each succeeds or fails alone.

    A work is a function of the connection. It may run more than once before it counts, so
    all it may change is the database. Use a writer from one thread at a time.
    """

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self._database = database
        self._connection = connection
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._closed = False
        # A daemon, so that a forgotten `close` cannot keep the process from ending.
        self._thread = Thread(target=self._serve, name="assay-sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work returns or raises, once its transaction is on the disk.

        A caller that is cancelled stops waiting; its work may be done all the same. Raises
        `StoreError` when the database cannot be written to.
        """
        if self._closed:
            raise self._database.closed()
        entry = _Entry(work, asyncio.get_running_loop().create_future())
        self._queue.put(entry)
        result: T = await entry.future
        return result

    async def close(self) -> None:
        """Write what waits, then close the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        for group in self._groups():
            self._write(group)
            _answer(group)
        self._connection.close()

    def _groups(self) -> Iterator[list[_Entry]]:
        entry = self._queue.get()
        while entry is not None:
            group = [entry]
            with suppress(Empty):
                while len(group) < GROUP and (entry := self._queue.get_nowait()) is not None:
                    group.append(entry)
            yield group
            if entry is not None:
                entry = self._queue.get()

    def _write(self, group: list[_Entry]) -> None:
        """Do the group in one transaction; if it fails, its halves, down to the culprit."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            for entry in group:
                entry.error = self._database.fault(error)
            return
        try:
            for entry in group:
                entry.result = entry.work(connection)
            connection.execute("COMMIT")
        except Exception as error:
            # Some failures, such as a full disk, have rolled back already.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if len(group) > 1:
                middle = len(group) // 2
                self._write(group[:middle])
                self._write(group[middle:])
            elif isinstance(error, sqlite3.Error | UnicodeEncodeError):
                group[0].error = self._database.fault(error)
            else:
                group[0].error = error


class _Entry:
    """A work, who waits for it, and what came of it."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(
        self, work: Callable[[sqlite3.Connection], Any], future: asyncio.Future[Any]
    ) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


def _answer(group: list[_Entry]) -> None:
    """Wake each event loop once, however many of its callers wait."""
    loops: dict[asyncio.AbstractEventLoop, list[_Entry]] = {}
    for entry in group:
        loops.setdefault(entry.future.get_loop(), []).append(entry)
    for loop, entries in loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, entries)


def _resolve(entries: list[_Entry]) -> None:
    for entry in entries:
        if entry.future.done():  # its caller was cancelled
            continue
        if entry.error is None:
            entry.future.set_result(entry.result)
        else:
            entry.future.set_exception(entry.error)
