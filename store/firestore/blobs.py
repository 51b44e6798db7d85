"""Bytes as chunks of documents, each blob named by the SHA-256 of what is in it.

For files of some megabytes where there is no bucket. The blob's own document is written last:
what was cut off before is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1 import SERVER_TIMESTAMP

from ...graphs.errors import StoreError
from . import names
from .database import LARGEST, Conflict, again
from .values import MOST

if TYPE_CHECKING:
    from .database import Database, Found

_DIGEST = re.compile(r"[0-9a-f]{64}")
_READ_AT_ONCE = 8
_TRIES = 3


class FirestoreBlobs:
    """The `Blobs` port over an open database."""

    fresh = 600.0
    """Seconds during which a blob that is put again need not be written to; well below the
    shortest time after which one is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, data: bytes | Path) -> str:
        """Keep the bytes, or those of a regular file, which is never held in memory.

        Returns their SHA-256. Raises `StoreError` when they cannot be read or written.
        """
        for _ in range(_TRIES):
            sha256 = await asyncio.to_thread(_hashed, data)
            if await self._renewed(sha256) or await self._upload(data, sha256):
                return sha256
        raise StoreError(f"{data!s} cannot be kept: it changes while it is read.")

    async def get(self, sha256: str) -> bytes:
        if not _DIGEST.fullmatch(sha256):
            raise StoreError(f"{sha256!r} is not a SHA-256 in lower-case hex.")
        (found,) = await self._database.get(self._database.at(names.BLOBS, sha256))
        if found is None:
            raise StoreError(f"The blob {sha256} is not in {self._database.name}.")
        places = self._chunks_of(found)
        data = bytearray()
        for start in range(0, len(places), _READ_AT_ONCE):
            for chunk in await self._database.get(*places[start : start + _READ_AT_ONCE]):
                data += b"" if chunk is None else chunk["data"]
        whole = bytes(data)
        if await asyncio.to_thread(_hashed, whole) != sha256:
            raise StoreError(
                f"The blob {sha256} in {self._database.name} is damaged: its content is not what "
                "its name says."
            )
        return whole

    async def has(self, sha256: str) -> bool:
        if not _DIGEST.fullmatch(sha256):
            return False
        (found,) = await self._database.get(self._database.at(names.BLOBS, sha256))
        return found is not None

    def path(self, sha256: str) -> Path | None:
        """None: no file of this machine holds them."""
        return None

    async def older(self, before: float) -> AsyncIterator[str]:
        """Those that were last put before that time, seconds since 1970."""
        async for found in self._database.walk(self._database.all(names.BLOBS).select([])):
            if found.time.timestamp() < before:
                yield found.id

    async def remove(self, sha256: str, before: float) -> bool:
        """Remove it, unless it was put since that time: then False."""
        database = self._database
        place = database.at(names.BLOBS, sha256)
        (found,) = await database.get(place)
        if found is None or found.time.timestamp() >= before:
            return False
        batch = database.batch()
        batch.delete(place, found.time)
        try:
            await database.commit(batch, f"Removing the blob {sha256}")
        except Conflict as conflict:
            if not conflict.unsure:
                return False
        # Nobody else's: who puts it anew meanwhile writes chunks of its own.
        await database.clear(self._chunks_of(found))
        return True

    async def _renewed(self, sha256: str) -> bool:
        """It is there, and young again."""
        database, place, attempt = self._database, self._database.at(names.BLOBS, sha256), 0
        while True:
            (found,) = await database.get(place)
            if found is None or time.time() - found.time.timestamp() < self.fresh:
                return found is not None
            batch = database.batch()
            batch.update(place, {"put": SERVER_TIMESTAMP}, found.time)
            with contextlib.suppress(Conflict):
                await database.commit(batch, f"The blob {sha256}")
                return True
            await again(attempt, f"The blob {sha256}")
            attempt += 1

    async def _upload(self, data: bytes | Path, sha256: str) -> bool:
        """False when the content is not that any more."""
        database, what = self._database, f"The blob {sha256}"
        digest, batch, number = hashlib.sha256(), self._database.batch(), 0
        stem = secrets.token_hex(8)
        chunks = _chunks(data)
        while chunk := await asyncio.to_thread(next, chunks, b""):
            digest.update(chunk)
            if batch.size + len(chunk) > LARGEST:
                await database.commit(batch, what)
                batch = database.batch()
            batch.put(self._chunk(sha256, stem, number), {"data": chunk})
            number += 1
        if digest.hexdigest() != sha256:
            return False
        batch.create(database.at(names.BLOBS, sha256), {"chunks": number, "stem": stem})
        try:
            await database.commit(batch, what)
        except Conflict as conflict:
            (found,) = await database.get(database.at(names.BLOBS, sha256))
            if not (conflict.unsure and found is not None and found.get("stem") == stem):
                await database.clear([self._chunk(sha256, stem, n) for n in range(number)])
            return found is not None
        return True

    def _chunks_of(self, found: Found) -> list[Any]:
        """Blobs from before there were stems have none."""
        stem = found.get("stem", "")
        return [self._chunk(found.id, stem, number) for number in range(found["chunks"])]

    def _chunk(self, sha256: str, stem: str, number: int) -> Any:
        name = f"{stem}-{number:06}" if stem else f"{number:06}"
        return self._database.at(names.BLOBS, sha256, names.CHUNKS, name)


def _hashed(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    # Opening a pipe would wait for ever.
    if not data.is_file():
        raise StoreError(f"{data} cannot be kept: it is not a regular file.")
    try:
        with data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(data, error) from error


def _chunks(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield from (data[at : at + MOST] for at in range(0, len(data), MOST))
        return
    try:
        with data.open("rb") as file:
            while chunk := file.read(MOST):
                yield chunk
    except OSError as error:
        raise _unreadable(data, error) from error


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be read: {error.strerror or error}.")
