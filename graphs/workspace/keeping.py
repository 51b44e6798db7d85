"""The bytes of changed files, kept as blobs. Small files share one: a blob costs as much as a
hundred files of source code."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ..errors import StoreError, StoreUnavailable, WorkspaceRefused
from ..ports import Blobs
from . import doors
from .scan import Found
from .tree import Entry

SMALL = 64 * 1024
"""Bytes; a larger file is a blob of its own, and is never held in memory."""

PACK = 768 * 1024
"""Bytes of the small files that share a blob, at most: few enough for one document."""

PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENFILE, errno.EMFILE}
)
"""What may be over in a while, as a full disk."""

_SOMETHING_ELSE = frozenset({errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO})
"""What opening a file says when something else has taken its place."""


@dataclass(frozen=True, slots=True)
class _Read:
    path: str
    mode: int
    data: bytes
    sha256: str


async def keep(
    folder: Path, files: Sequence[tuple[str, Found]], known: Mapping[str, Entry], blobs: Blobs
) -> dict[str, Entry]:
    """The entries of the files, whose bytes are kept when this returns.

    `known` are entries by SHA-256 whose bytes are kept already. A file that is gone by now is
    left out. Raises `StoreUnavailable`, `StoreError` or `WorkspaceRefused`.
    """
    entries: dict[str, Entry] = {}
    small = [(path, found.mode) for path, found in files if found.size <= SMALL]
    sizes = {path: found.size for path, found in files}
    for some in _packs(small, sizes):
        read = await asyncio.to_thread(_read, folder, some)
        fresh: dict[str, _Read] = {}
        for one in read:
            if one.sha256 in known:
                entries[one.path] = _entry(one, known[one.sha256][4:])
            else:
                fresh.setdefault(one.sha256, one)
        if fresh:
            places = await _pack(list(fresh.values()), blobs)
            entries |= {
                one.path: _entry(one, places[one.sha256]) for one in read if one.sha256 in places
            }
    for path, found in files:
        if found.size > SMALL:
            entry = await _alone(folder, path, found.mode, known, blobs)
            if entry is not None:
                entries[path] = entry
    return entries


def _packs(
    files: Sequence[tuple[str, int]], sizes: Mapping[str, int]
) -> Iterator[list[tuple[str, int]]]:
    some: list[tuple[str, int]] = []
    total = 0
    for path, mode in files:
        if some and total + sizes[path] > PACK:
            yield some
            some, total = [], 0
        some.append((path, mode))
        total += sizes[path]
    if some:
        yield some


def _read(folder: Path, files: Sequence[tuple[str, int]]) -> list[_Read]:
    found = []
    for path, mode in files:
        try:
            with _opened(folder, path) as file:
                data = file.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(path, error) from error
        found.append(_Read(path, mode, data, hashlib.sha256(data).hexdigest()))
    return found


def _entry(one: _Read, place: Sequence[object]) -> Entry:
    return ["f", one.mode, len(one.data), one.sha256, *place]


async def _pack(files: Sequence[_Read], blobs: Blobs) -> dict[str, list[object]]:
    """Where the bytes of each are, by SHA-256: nothing, or a blob and the place in it."""
    if len(files) == 1:
        await blobs.put(files[0].data)
        return {files[0].sha256: []}
    blob = await blobs.put(b"".join(one.data for one in files))
    places: dict[str, list[object]] = {}
    offset = 0
    for one in files:
        places[one.sha256] = [blob, offset]
        offset += len(one.data)
    return places


async def _alone(
    folder: Path, path: str, mode: int, known: Mapping[str, Entry], blobs: Blobs
) -> Entry | None:
    """A copy is kept, for what runs beside may write to the file meanwhile."""
    with TemporaryDirectory(dir=folder.parent, prefix=".copy-") as scratch:
        copy = Path(scratch) / "copy"
        try:
            size, sha256 = await asyncio.to_thread(_copied, folder, path, copy)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        place = known[sha256][4:] if sha256 in known else []
        if sha256 not in known:
            kept = await blobs.put(copy)
            if kept != sha256:
                raise StoreError(f"the copy of {path!r} changed while it was kept")
        return ["f", mode, size, sha256, *place]


def _copied(folder: Path, path: str, copy: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with _opened(folder, path) as file, copy.open("xb") as target:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _opened(folder: Path, path: str) -> BinaryIO:
    """The file, which was a regular one a moment ago, and neither a link nor a pipe now; nor has
    a folder on the way to it become a link."""
    try:
        return doors.reading(folder, folder / path)
    except OSError as error:
        if error.errno in _SOMETHING_ELSE:
            raise FileNotFoundError(path) from error
        raise


def _unreadable(path: str, error: OSError) -> Exception:
    if error.errno in PASSING:
        return StoreUnavailable(f"{path!r} in the workspace cannot be kept: {error.strerror}")
    return WorkspaceRefused(f"{path!r} in the workspace cannot be read: {error.strerror}")
