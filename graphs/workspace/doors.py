"""Ways into the files of a folder in which programs work that may change it at any moment.

A path that was followed and found inside may lead elsewhere by the time that it is opened. So it
is opened folder by folder, and no link is followed that has come since; nor is a pipe waited for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def entered(root: Path, folder: Path, *, make: bool = False) -> Iterator[int]:
    """A handle of a folder at or below the root; missing ones are made if so wanted.

    `folder` is a path whose links were followed. Raises `OSError` where there is one by now.
    """
    handle = os.open(root, _FOLDER)
    try:
        for name in folder.relative_to(root).parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=handle)
            inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def reading(root: Path, target: Path) -> BinaryIO:
    """The plain file at a path below the root whose links were followed; raises `OSError`."""
    with entered(root, target.parent) as folder:
        return read_in(folder, target.name)


def read_in(folder: int, name: str) -> BinaryIO:
    """The plain file of that name in the folder of the handle; raises `OSError`."""
    return _plain(os.open(name, os.O_RDONLY | _FILE, dir_fd=folder), "rb")


def write(root: Path, target: Path, data: bytes) -> None:
    """Put the bytes in place of the plain file there; folders are made. Raises `OSError`."""
    with entered(root, target.parent, make=True) as folder:
        try:
            handle = os.open(target.name, os.O_WRONLY | os.O_CREAT | _FILE, 0o666, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ENXIO):
                raise _not_plain() from error
            raise
    with _plain(handle, "wb") as file:
        file.truncate()
        file.write(data)


def _plain(handle: int, mode: str) -> BinaryIO:
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        raise _not_plain()
    return open(handle, mode)  # type: ignore[return-value]


def _not_plain() -> OSError:
    return OSError(errno.EINVAL, "it is not a plain file")
