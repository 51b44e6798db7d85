"""The only thread that writes: one transaction for everything that waits, one fsync for all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from .database import Database

T = TypeVar("T")

GROUP = 1024
"""How many works one transaction holds at most."""


class Joint:
    """A work that is cheaper when it is done together with its like.

    Each statement hands the interpreter to the event loop and has to wait until it comes
    back: what counts is how many statements a group takes, not how much they do.
    """

    __slots__ = ()

    def __call__(self, connection: sqlite3.Connection) -> Any:
        raise NotImplementedError

    @staticmethod
    def together(connection: sqlite3.Connection, works: Any) -> Sequence[Any] | None:
        """What each of the works returns; None when one of them fails, whichever it is."""
        raise NotImplementedError


class Writer:
    """Runs works in a thread of its own, many to a transaction; each succeeds or fails alone.

    A work is a function of the connection. It may run more than once before it counts, so
    all it may change is the database. Use a writer from one thread at a time.
    """

    boundary: ClassVar[Callable[[str], None] | None] = None
    """Called in the writer's thread with `before 17` and `after 17` around the 17th commit,
    for tests that end the process there."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self._database = database
        self._connection = connection
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._closed = False
        self._commits = 0
        # A daemon, so that a forgotten `close` cannot keep the process from ending.
        self._thread = Thread(target=self._serve, name="assay-sqlite-writer", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], T], what: str = "") -> asyncio.Future[T]:
        """What the work returns or raises, once its transaction is on the disk.

        A caller that is cancelled stops waiting; its work may be done all the same. Raises
        `StoreError` that names `what` when the database cannot be written to.
        """
        if self._closed:
            raise self._database.closed()
        entry = _Entry(work, what, asyncio.get_running_loop().create_future())
        self._queue.put(entry)
        return entry.future

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
                entry.error = self._database.fault(error, entry.what)
            return
        try:
            self._do(group)
            self._commit()
        except Exception as error:
            # Some failures, such as a full disk, have rolled back already.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if len(group) > 1:
                middle = len(group) // 2
                self._write(group[:middle])
                self._write(group[middle:])
            else:
                group[0].error = self._database.fault(error, group[0].what)

    def _do(self, group: list[_Entry]) -> None:
        """All works of the group, those that can be done together first."""
        joint: dict[type[Joint], list[_Entry]] = {}
        alone = []
        for entry in group:
            if isinstance(entry.work, Joint) and len(group) > 1:
                joint.setdefault(type(entry.work), []).append(entry)
            else:
                alone.append(entry)
        for kind, entries in joint.items():
            results = kind.together(self._connection, [entry.work for entry in entries])
            if results is None:
                raise _OneOfThem
            for entry, entry.result in zip(entries, results, strict=True):
                entry.error = None
        for entry in alone:
            self._do_alone(entry)

    def _do_alone(self, entry: _Entry) -> None:
        """One work; its error stays its own when it has not changed anything."""
        before = self._connection.total_changes
        entry.error = None
        try:
            entry.result = entry.work(self._connection)
        except Exception as error:
            if self._connection.total_changes != before or not self._connection.in_transaction:
                raise
            entry.error = self._database.fault(error, entry.what)

    def _commit(self) -> None:
        boundary = Writer.boundary
        if boundary is None:
            self._connection.execute("COMMIT")
            return
        self._commits += 1
        boundary(f"before {self._commits}")
        self._connection.execute("COMMIT")
        boundary(f"after {self._commits}")


class _OneOfThem(Exception):
    """Some work of a group failed; its halves tell which."""


class _Entry:
    """A work, what it keeps, who waits for it, and what came of it."""

    __slots__ = ("error", "future", "result", "what", "work")

    def __init__(
        self,
        work: Callable[[sqlite3.Connection], Any],
        what: str,
        future: asyncio.Future[Any],
    ) -> None:
        self.work = work
        self.what = what
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
