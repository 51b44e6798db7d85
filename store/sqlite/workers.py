"""Which workers are alive: each open store locks a file of its own while its process lives."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from ...graphs.errors import StoreError

if TYPE_CHECKING:
    from types import ModuleType

_NAME = re.compile(r"[0-9]+-[0-9a-f]+")


class Workers:
    """The workers of one database, one of which is `own`.

    The kernel lets go of a lock when its process ends, however it ends: whether a worker is
    alive depends on no clock. A database in memory (`path` None) has no worker but its own.
    """

    def __init__(self, path: Path | None) -> None:
        """Become a worker of the database at `path`. Raises `StoreError` where that fails."""
        self.own = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._file: int | None = None
        self._folder: Path | None = None
        if path is None:
            return
        self._locks = _locks()
        # However the database is named, its workers meet in one folder.
        self._folder = Path(f"{os.path.realpath(path)}-workers")
        try:
            self._file = self._hold()
            for name in os.listdir(self._folder):
                self.alive(name)
        except OSError as error:
            raise StoreError(
                f"The workers of the database {path} need locks in {self._folder}, which cannot "
                f"be had: {error.strerror or error}; put the database on a local disk."
            ) from error
        _HELD.add(self)

    def alive(self, worker: str) -> bool:
        """Is the process of that worker alive, and its store open? The file of a dead one goes."""
        if worker == self.own:
            return self._folder is None or self._file is not None
        if self._folder is None or not _NAME.fullmatch(worker):
            return False
        path = self._folder / worker
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # it is there, and nobody can say that it is dead
        try:
            # Shared, so that two who look at once do not take each other for the worker.
            self._locks.flock(file, self._locks.LOCK_SH | self._locks.LOCK_NB)
            with suppress(OSError):
                path.unlink()  # while it is locked, see `_hold`
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def close(self) -> None:
        """Be alive no more. Calling it twice is harmless."""
        if self._file is None or self._folder is None:
            return
        with suppress(OSError):
            (self._folder / self.own).unlink()
            self._folder.rmdir()  # fails while there are others
        self.let_go()

    def let_go(self) -> None:
        """Close the file: in a forked child this leaves the lock with the parent."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _hold(self) -> int:
        assert self._folder is not None
        while True:
            self._folder.mkdir(exist_ok=True)
            try:
                file = os.open(self._folder / self.own, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue  # the last of the others has just removed the folder
            try:
                self._locks.flock(file, self._locks.LOCK_EX)
            except OSError:
                os.close(file)
                raise
            if os.fstat(file).st_nlink:
                return file
            os.close(file)  # somebody took it for a dead worker's before it was locked


def _locks() -> ModuleType:
    try:
        import fcntl
    except ImportError as error:
        raise StoreError(
            "A store in a file needs the file locks of Linux or macOS, which this system does "
            "not have; use sqlite://:memory: or run Assay in a container."
        ) from error
    return fcntl


_HELD: WeakSet[Workers] = WeakSet()


def _in_a_forked_child() -> None:
    for workers in list(_HELD):
        workers.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)
