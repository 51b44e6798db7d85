"""Reads, off the event loop: a few threads, each read a consistent snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from .database import Database

T = TypeVar("T")

THREADS = 4


class Reader:
    """Runs works that only read. WAL lets them go on while the writer writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="assay-sqlite-reader")
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work returns or raises. Raises `StoreError` when it cannot read."""
        if self._closed:
            raise self._database.closed()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    async def close(self) -> None:
        """Let reads under way end, then close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            self._idle.pop().close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            connection.execute("BEGIN")
            return work(connection)
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            raise self._database.fault(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        connection = self._database.open()
        connection.execute("PRAGMA query_only = ON")
        return connection
