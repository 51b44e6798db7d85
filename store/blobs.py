"""Bytes in a local folder, each file named by the SHA-256 of what is in it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING

from ..graphs.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_CHUNK = 1 << 20
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENFILE, errno.EMFILE}
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """The `Blobs` port over a folder. Several processes may share it.

    A blob appears under its name only when it is complete and on the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, data: bytes | Path) -> str:
        """Keep the bytes, or those of a regular file, which is copied and never held in memory.

        Returns their SHA-256. Raises `StoreError` when they cannot be read or written.
        """
        if isinstance(data, Path):
            return await asyncio.to_thread(self._put_file, data)
        return await asyncio.to_thread(self._put_bytes, data)

    async def get(self, sha256: str) -> bytes:
        return await asyncio.to_thread(self._get, sha256)

    async def has(self, sha256: str) -> bool:
        return await asyncio.to_thread(self.path, sha256) is not None

    def path(self, sha256: str) -> Path | None:
        place = self._place(sha256)
        return place if _DIGEST.fullmatch(sha256) and place.is_file() else None

    async def older(self, before: float) -> AsyncIterator[str]:
        """Those that were last put before that time, seconds since 1970."""
        for sha256 in await asyncio.to_thread(self._older, before):
            yield sha256

    async def remove(self, sha256: str, before: float) -> bool:
        """Remove it, unless it was put since that time: then False. Raises `StoreError`."""
        return await asyncio.to_thread(self._remove, sha256, before)

    def _put_bytes(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if not self._renewed(sha256, len(data)):
            with self._incoming() as temporary:
                temporary.write(data)
                self._keep(temporary, sha256)
        return sha256

    def _put_file(self, source: Path) -> str:
        # Opening a pipe would wait for ever.
        if not source.is_file():
            raise StoreError(f"{source} cannot be kept: it is not a regular file.")
        try:
            reader = source.open("rb")
        except OSError as error:
            raise StoreError(f"{source} cannot be read: {error.strerror or error}.") from error
        with reader:
            sha256 = hashlib.file_digest(reader, "sha256").hexdigest()
            if self._renewed(sha256, reader.tell()):
                return sha256
            reader.seek(0)
            digest = hashlib.sha256()  # again: the file may change while it is read
            with self._incoming() as temporary:
                while chunk := reader.read(_CHUNK):
                    digest.update(chunk)
                    temporary.write(chunk)
                self._keep(temporary, digest.hexdigest())
        return digest.hexdigest()

    def _get(self, sha256: str) -> bytes:
        if not _DIGEST.fullmatch(sha256):
            raise StoreError(f"{sha256!r} is not a SHA-256 in lower-case hex.")
        place = self._place(sha256)
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            raise StoreError(f"The blob {sha256} is not in {self._folder}.") from None
        except OSError as error:
            raise StoreError(f"{place} cannot be read: {error.strerror or error}.") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{place} is damaged: its content is not what its name says.")
        return data

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _renewed(self, sha256: str, size: int) -> bool:
        """The blob is there whole, and young again; one that is damaged is written again."""
        place = self._place(sha256)
        try:
            if place.stat().st_size != size or not _holds(place, sha256):
                return False
            with self._locked(fcntl.LOCK_SH):
                os.utime(place)
        except OSError:  # whatever it is, writing will meet it again and say so
            return False
        return True

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Shared by those who put, so that nothing is removed that is just being put."""
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)

    def _older(self, before: float) -> list[str]:
        found = []
        for place in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if _DIGEST.fullmatch(place.name) and place.stat().st_mtime < before:
                    found.append(place.name)
        return found

    def _remove(self, sha256: str, before: float) -> bool:
        place = self._place(sha256)
        try:
            with self._locked(fcntl.LOCK_EX):
                if place.stat().st_mtime >= before:
                    return False
                place.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{place} cannot be removed: {error.strerror or error}.") from error
        return True

    @contextmanager
    def _incoming(self) -> Iterator[IO[bytes]]:
        """A temporary file beside the blobs, gone at the end unless it was kept."""
        try:
            incoming = self._folder / "incoming"
            incoming.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=incoming, delete=False) as temporary:
                try:
                    yield temporary.file
                finally:
                    Path(temporary.name).unlink(missing_ok=True)
        except OSError as error:
            kind = StoreUnavailable if error.errno in _PASSING else StoreError
            raise kind(
                f"Cannot keep a blob in {self._folder}: {error.strerror or error}."
            ) from error

    def _keep(self, temporary: IO[bytes], sha256: str) -> None:
        """Give the written file its name, durably."""
        temporary.flush()
        os.fsync(temporary.fileno())
        place = self._place(sha256)
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            _sync_folder(self._folder)
        with self._locked(fcntl.LOCK_SH):
            os.replace(temporary.name, place)
        _sync_folder(place.parent)


def _holds(place: Path, sha256: str) -> bool:
    with place.open("rb") as kept:
        return hashlib.file_digest(kept, "sha256").hexdigest() == sha256


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
