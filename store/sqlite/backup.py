"""A consistent copy of everything in a new file, while work goes on."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from ...graphs.errors import StoreError


def write(connection: sqlite3.Connection, target: Path) -> None:
    """Copy what the connection sees. Raises `StoreError` when the file exists already.

    The file appears as a whole or not at all.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _copy(connection, part)
        # A link, unlike a renaming, never replaces a file.
        os.link(part, target)
    except FileExistsError as error:
        raise StoreError(f"{target} exists already; give the backup another name.") from error
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"The backup {target} cannot be written: {reason}; check its folder and the space "
            "on its disk."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)


def _copy(connection: sqlite3.Connection, part: Path) -> None:
    if connection.execute("PRAGMA database_list").fetchone()[2]:
        with closing(sqlite3.connect(part)) as copy:
            connection.backup(copy)
    else:
        # In memory there is but one connection, in a transaction, which `backup` would refuse.
        part.write_bytes(connection.serialize())
    _sync(part)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
