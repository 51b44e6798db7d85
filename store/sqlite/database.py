"""One SQLite file: how a connection to it is made, how its schema grows, what its errors mean."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from importlib.resources import files
from typing import TYPE_CHECKING

from ...graphs.errors import (
    AssayError,
    InvalidInput,
    StateCorrupted,
    StoreError,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

PATIENCE = 10.0
"""Seconds to wait for a lock that another process holds."""

_SETTINGS = ("synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 67108864")
_OLDEST = (3, 37, 0)
_APPLICATION_ID = 0x41535359
_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")
_MEANING: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (
        StoreUnavailable,
        f"is locked by another process for more than {PATIENCE:.0f} s; end that process, "
        "or try again",
    ),
    sqlite3.SQLITE_LOCKED: (StoreUnavailable, "is in use by another statement; try again"),
    sqlite3.SQLITE_FULL: (
        StoreUnavailable,
        "cannot grow because the disk is full; free some space",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreUnavailable,
        "cannot be read or written for now; check its disk",
    ),
    sqlite3.SQLITE_CORRUPT: (StateCorrupted, "is damaged; restore a copy of it"),
    sqlite3.SQLITE_NOTADB: (StateCorrupted, "is not an SQLite database; give another file"),
    sqlite3.SQLITE_CANTOPEN: (
        StoreError,
        "cannot be opened; check that its folder can be written to",
    ),
    sqlite3.SQLITE_PERM: (StoreError, "may not be written to; check its permissions"),
    sqlite3.SQLITE_READONLY: (StoreError, "may not be written to; check its permissions"),
}


class Database:
    """A database file, or one in memory (`path` None) that lives in a single connection."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __str__(self) -> str:
        return "The database in memory" if self.path is None else f"The database {self.path}"

    def create(self) -> sqlite3.Connection:
        """The first connection: makes the file and its folders, brings the schema up to date.

        Raises `StoreError` when the file is not ours, is newer than we are, or may not be
        written to.
        """
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreError(
                f"{self} needs SQLite {'.'.join(map(str, _OLDEST))}, and this Python brings "
                f"{sqlite3.sqlite_version}; use a newer Python."
            )
        if self.path is not None:
            self._check_place(self.path)
        connection = self.open()
        try:
            self._check_owner(connection)
            if self.path is not None:
                self._use_wal(connection)
            self._migrate(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self.fault(error) from error
        except AssayError:
            connection.close()
            raise
        return connection

    def open(self) -> sqlite3.Connection:
        """One more connection, usable from any one thread at a time. Raises `StoreError`."""
        connection = None
        try:
            connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=PATIENCE,
                isolation_level=None,  # transactions begin and end where we say so
                check_same_thread=False,
            )
            for setting in _SETTINGS:
                connection.execute(f"PRAGMA {setting}")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self.fault(error) from error
        return connection

    def fault(self, error: Exception, what: str = "") -> Exception:
        """The error of a work in words that say what could not be kept, and what to do.

        An error that is not SQLite's is returned as it is.
        """
        if isinstance(error, UnicodeEncodeError):
            return InvalidInput(f"Not valid Unicode: {error.object!a}; give proper text.")
        if isinstance(error, OverflowError):
            return InvalidInput(f"{what or 'A number'} holds a number over 64 bits; give less.")
        if not isinstance(error, sqlite3.Error):
            return error
        code = getattr(error, "sqlite_errorcode", None)
        kind, meaning = StoreError, "failed"
        if code is not None:
            kind, meaning = _MEANING.get(code & 0xFF, (kind, meaning))
        name = str(self)
        lost = f"{what} could not be kept: {name[0].lower()}{name[1:]}" if what else name
        return kind(f"{lost} {meaning} ({error}).")

    def closed(self) -> StoreError:
        """What to raise when a closed store is used."""
        return StoreError(f"{self} is closed; connect to it again.")

    def _check_place(self, path: Path) -> None:
        """Make the folder; refuse a file that could be opened, yet never written to."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writable = not path.exists() or os.access(path, os.W_OK)
        except OSError as error:
            raise StoreError(
                f"{self} needs the folder {path.parent}, which cannot be used: "
                f"{error.strerror or error}."
            ) from error
        if not writable:
            raise StoreError(f"{self} {_MEANING[sqlite3.SQLITE_READONLY][1]}.")

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # one moment: another process may just be making the file
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("ROLLBACK")
        if owner != _APPLICATION_ID and (owner or tables):
            raise StoreError(f"{self} belongs to another program; give another file.")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Readers and the writer of several processes do not block each other in this mode."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                # SQLite does not wait by itself here when two processes make the file at once.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise StoreError(f"{self} cannot use write-ahead logging; put it on a local disk.")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        scripts = _migrations()
        if self._version(connection, len(scripts)) == len(scripts):
            return
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have migrated while we waited for the lock.
        for number in range(self._version(connection, len(scripts)), len(scripts)):
            for statement in _statements(scripts[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection, known: int) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version and not connection.execute("PRAGMA table_info (journal)").fetchone():
            raise StoreError(
                f"{self} was written by an Assay before its first release, which cannot be read; "
                "give another file."
            )
        if version > known:
            raise StoreError(
                f"{self} was written by a newer Assay: it has schema {version}, and this Assay "
                f"knows schemas up to {known}. Upgrade Assay, or give another file."
            )
        return version


def known_version() -> int:
    """The schema that this Assay writes."""
    return len(_migrations())


def _migrations() -> list[str]:
    """The scripts in order; script n leads from schema n to n + 1."""
    folder = files("assay.store").joinpath("sqlite", "migrations")
    found = sorted((e for e in folder.iterdir() if _MIGRATION.fullmatch(e.name)), key=_name)
    expected = [f"{number:04}" for number in range(1, len(found) + 1)]
    assert [entry.name[:4] for entry in found] == expected, "a gap, or a number twice"
    return [entry.read_text(encoding="utf-8") for entry in found]


def _name(entry: Traversable) -> str:
    return entry.name


def _statements(script: str) -> Iterator[str]:
    """Each statement of a script (`executescript` would commit before it begins)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
