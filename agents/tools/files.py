"""Tools that read and write files of the workspace."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from ...graphs.errors import LimitReached, NotAllowed
from ...graphs.workspace import doors
from .reach import Reach, Tool, bounded

READ_LIMIT = 8 * 1024 * 1024
"""Bytes of a file that a tool reads."""

WRITE_LIMIT = 1024 * 1024
"""Bytes that one call may write."""

_LISTED = 500
_MATCHES = 200
_SEARCHED = 5_000
_SEARCHED_SIZE = 1024 * 1024
_DEEPEST = 100
"""Folders within folders that are gone through: each is held open meanwhile."""
_SKIPPED = frozenset(
    {".git", ".assay", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache",
     ".ruff_cache", ".pytest_cache", ".tox"}
)  # fmt: skip


class ReadFile(Tool):
    """Read a text file of the workspace, or some of its lines."""

    path: str = Field(description="The file, relative to the workspace.")
    first_line: int = Field(default=1, ge=1, description="Where to begin; lines count from 1.")
    lines: int = Field(default=500, ge=1, le=5000, description="How many lines at most.")

    async def work(self, reach: Reach) -> str:
        text = await asyncio.to_thread(_read, reach, self.path)
        lines = text.splitlines()
        end = self.first_line - 1 + self.lines
        shown = "\n".join(lines[self.first_line - 1 : end])
        if len(lines) > end or self.first_line > 1:
            last = min(end, len(lines))
            shown += f"\n[lines {self.first_line} to {last} of {len(lines)}]"
        return bounded(shown) or "[the file is empty]"


class WriteFile(Tool):
    """Write a text file of the workspace, replacing what was there; folders are made."""

    path: str = Field(description="The file, relative to the workspace.")
    content: str = Field(description="The whole new content.")

    async def work(self, reach: Reach) -> str:
        data = self.content.encode()
        if len(data) > WRITE_LIMIT:
            raise LimitReached(f"{len(data)} bytes are more than the {WRITE_LIMIT} one call writes")
        target = reach.inside(self.path, write=True)
        await asyncio.to_thread(_write, reach, target, self.path, data)
        return f"wrote {len(data)} bytes to {reach.shown(target)}"


class ListFiles(Tool):
    """List the files under a folder of the workspace, with their sizes in bytes."""

    path: str = Field(default=".", description="The folder, relative to the workspace.")
    pattern: str = Field(default="*", description="Only names that match, such as *.py.")

    async def work(self, reach: Reach) -> str:
        top = _there(reach.inside(self.path), self.path)
        return await asyncio.to_thread(self._list, reach, top)

    def _list(self, reach: Reach, top: Path) -> str:
        found: list[str] = []
        for file in _files(reach, top, self.pattern):
            if len(found) == _LISTED:
                found.append(f"[more than {_LISTED} files; list a folder below, or use a pattern]")
                break
            found.append(f"{file.shown} ({file.size})")
        return bounded("\n".join(found)) or f"[no file matches {self.pattern!r} in {self.path!r}]"


class SearchFiles(Tool):
    """Find the lines that contain a text, in files of the workspace; case does not matter."""

    text: str = Field(min_length=1, description="The text to look for, literally.")
    path: str = Field(default=".", description="The folder or file, relative to the workspace.")
    pattern: str = Field(default="*", description="Only in files whose names match, such as *.py.")

    async def work(self, reach: Reach) -> str:
        top = _there(reach.inside(self.path), self.path)
        return await asyncio.to_thread(self._search, reach, top)

    def _search(self, reach: Reach, top: Path) -> str:
        wanted = self.text.casefold()
        found: list[str] = []
        for count, file in enumerate(_files(reach, top, self.pattern)):
            if len(found) >= _MATCHES or count >= _SEARCHED:
                found.append("[and more; search a folder below, or use a pattern]")
                break
            if file.size > _SEARCHED_SIZE:
                continue
            try:
                lines = _text(doors.read_in(file.folder, file.name), file.shown).splitlines()
            except (NotAllowed, LimitReached, OSError):
                continue
            for number, line in enumerate(lines, 1):
                if wanted in line.casefold():
                    found.append(f"{file.shown}:{number}: {line.strip()[:300]}")
        return bounded("\n".join(found)) or f"[{self.text!r} was not found in {self.path!r}]"


def _there(target: Path, shown: str) -> Path:
    if not target.exists():
        raise NotAllowed(f"there is no {shown!r} in the workspace")
    return target


def _read(reach: Reach, shown: str) -> str:
    """The text of a file; raises `NotAllowed` for what is not text in a plain file."""
    target = reach.inside(shown)
    try:
        file = doors.reading(reach.top, target)
    except FileNotFoundError:
        raise NotAllowed(f"there is no {shown!r} in the workspace") from None
    except IsADirectoryError:
        raise NotAllowed(f"{shown!r} is a folder; list it with list_files") from None
    except OSError as error:
        raise _unopened(shown, error) from error
    return _text(file, shown)


def _text(file: BinaryIO, shown: str) -> str:
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > READ_LIMIT:
            raise LimitReached(f"{shown!r} has {size} bytes, more than {READ_LIMIT}")
        data = file.read(READ_LIMIT)
    if b"\0" in data:
        raise NotAllowed(f"{shown!r} is not text: a binary file of {len(data)} bytes")
    return data.decode(errors="replace")


def _write(reach: Reach, target: Path, shown: str, data: bytes) -> None:
    try:
        doors.write(reach.top, target, data)
    except OSError as error:
        raise _unopened(shown, error) from error


def _unopened(shown: str, error: OSError) -> NotAllowed:
    return NotAllowed(f"{shown!r} cannot be opened: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class _File:
    """A plain file, as the model sees its path; `folder` is a handle until the next is found."""

    shown: str
    folder: int
    name: str
    size: int


def _files(reach: Reach, top: Path, pattern: str) -> Iterator[_File]:
    """Plain files at or below `top`, in order of name; links are not followed."""
    if not top.is_dir():
        with doors.entered(reach.top, top.parent) as handle:
            size = os.stat(top.name, dir_fd=handle, follow_symlinks=False).st_size
            yield _File(reach.shown(top), handle, top.name, size)
        return
    with doors.entered(reach.top, top) as handle:
        for folder, folders, names, at in os.fwalk(".", dir_fd=handle):
            deep = folder.count("/") >= _DEEPEST
            folders[:] = [] if deep else sorted(f for f in folders if f not in _SKIPPED)
            for name in sorted(names):
                if not fnmatch.fnmatch(name, pattern):
                    continue
                try:
                    seen = os.stat(name, dir_fd=at, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # what runs beside has removed it
                if stat.S_ISREG(seen.st_mode):
                    yield _File(reach.shown(top / folder / name), at, name, seen.st_size)
