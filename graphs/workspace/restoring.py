"""A folder made to be what a tree says: nothing more, nothing less."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import StateCorrupted, StoreError, StoreUnavailable, WorkspaceRefused
from ..ports import Blobs
from .keeping import PASSING
from .scan import Ignored
from .tree import Entry, Tree

_AT_ONCE = 8
"""Blobs that are fetched at the same time."""

_OURS = 0o700


async def restore(
    folder: Path, tree: Tree, blobs: Blobs, sources: Sequence[Path], ignore: Ignored
) -> None:
    """Make the folder hold what the tree names, and nothing else but what is ignored.

    Files of the same content are left alone; others are taken from `sources`, folders that may
    have them, or fetched. Raises `StateCorrupted` for a file whose bytes are lost or damaged,
    `StoreUnavailable` while the folder cannot be written to.
    """
    try:
        await asyncio.to_thread(_prepare, folder, tree, ignore)
        lacking = await asyncio.to_thread(_lacking, folder, tree, sources)
        await _fetch(folder, lacking, blobs)
        await asyncio.to_thread(_finish, folder, tree)
    except OSError as error:
        what = f"the workspace {folder} cannot be written: {error.strerror or error}"
        if error.errno in PASSING:
            raise StoreUnavailable(what) from error
        raise WorkspaceRefused(f"{what} ({error.filename})") from error


def remove(folder: Path) -> None:
    """The folder with all that is in it, whatever its modes; not being there is right."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_symlink() or not folder.exists():
        return
    for place, folders, _ in os.walk(folder):
        for name in folders:
            inner = os.path.join(place, name)
            if not os.path.islink(inner):
                os.chmod(inner, _OURS)
    shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, tree: Tree, ignore: Ignored) -> None:
    """The folders of the tree, and nothing that it does not have or has as something else."""
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder, "", tree, ignore)
    for path in sorted(path for path, entry in tree.items() if entry[0] == "d"):
        (folder / path).mkdir(mode=_OURS, exist_ok=True)


def _clear(folder: Path, prefix: str, tree: Tree, ignore: Ignored) -> None:
    if prefix:
        os.chmod(folder / prefix, _OURS)
    with os.scandir(folder / prefix) as listed:
        entries = list(listed)
    for one in entries:
        path = f"{prefix}{one.name}"
        wanted = tree.get(path)
        if wanted is None and ignore.has(path, one.name):
            continue
        mode = one.stat(follow_symlinks=False).st_mode
        if wanted is None or wanted[0] != _kind(mode):
            remove(Path(one.path)) if stat.S_ISDIR(mode) else os.unlink(one.path)
        elif stat.S_ISDIR(mode):
            _clear(folder, f"{path}/", tree, ignore)
        elif wanted[0] == "l" and os.readlink(one.path) != wanted[1]:
            os.unlink(one.path)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "d"
    if stat.S_ISLNK(mode):
        return "l"
    return "f" if stat.S_ISREG(mode) else ""


def _lacking(folder: Path, tree: Tree, sources: Sequence[Path]) -> list[tuple[str, Entry]]:
    """The files that are neither there nor in one of the sources."""
    lacking = []
    for path, entry in tree.items():
        if entry[0] != "f" or _holds(folder / path, entry):
            continue
        if not any(_taken(source / path, folder / path, entry) for source in sources):
            lacking.append((path, entry))
    return lacking


def _holds(file: Path, entry: Entry) -> bool:
    try:
        seen = os.lstat(file)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != entry[2]:
            return False
        with file.open("rb") as reader:
            return bool(hashlib.file_digest(reader, "sha256").hexdigest() == entry[3])
    except OSError:
        return False


def _taken(source: Path, target: Path, entry: Entry) -> bool:
    """Whether another folder had the file, as it is here now."""
    try:
        if not _holds(source, entry):
            return False
        _write(target, source.read_bytes())
    except FileNotFoundError:
        return False  # who left it there is removing it
    return _holds(target, entry)


async def _fetch(folder: Path, lacking: Iterable[tuple[str, Entry]], blobs: Blobs) -> None:
    by_blob: dict[str, list[tuple[str, Entry]]] = {}
    for path, entry in lacking:
        by_blob.setdefault(entry[4] if len(entry) > 4 else entry[3], []).append((path, entry))
    several = asyncio.Semaphore(_AT_ONCE)

    async def one(blob: str, files: Sequence[tuple[str, Entry]]) -> None:
        async with several:
            try:
                data = await blobs.get(blob)
            except StoreUnavailable:
                raise
            except StoreError as error:
                raise _lost(files[0][0], error.message) from error
            await asyncio.to_thread(_unpack, folder, files, data)

    try:
        async with asyncio.TaskGroup() as group:
            for blob, files in by_blob.items():
                group.create_task(one(blob, files))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _unpack(folder: Path, files: Sequence[tuple[str, Entry]], data: bytes) -> None:
    for path, entry in files:
        offset = entry[5] if len(entry) > 5 else 0
        part = data[offset : offset + entry[2]]
        if hashlib.sha256(part).hexdigest() != entry[3]:
            raise _lost(path, "its bytes are not those that were kept")
        _write(folder / path, part)


def _lost(path: str, why: str) -> StateCorrupted:
    return StateCorrupted(
        f"the file {path!r} of the workspace is lost: {why}; retry from a step before it"
    )


def _write(target: Path, data: bytes) -> None:
    """Never through a link, and never into a file that somebody else has open."""
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "wb") as file:
        file.write(data)


def _finish(folder: Path, tree: Mapping[str, Entry]) -> None:
    """Links and modes, those of folders last and from the inside: they may forbid to write."""
    for path, entry in tree.items():
        if entry[0] == "f":
            os.chmod(folder / path, entry[1])
        elif entry[0] == "l" and not (folder / path).is_symlink():
            os.symlink(entry[1], folder / path)
    for path in sorted((p for p, entry in tree.items() if entry[0] == "d"), reverse=True):
        os.chmod(folder / path, tree[path][1])
