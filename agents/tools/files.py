"""Tools that read and write files of the workspace."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from ...graphs.errors import LimitReached, NotAllowed
from .reach import Reach, Tool, bounded

READ_LIMIT = 8 * 1024 * 1024
"""Bytes of a file that a tool reads."""

WRITE_LIMIT = 1024 * 1024
"""Bytes that one call may write."""

_LISTED = 500
_MATCHES = 200
_SEARCHED = 5_000
_SEARCHED_SIZE = 1024 * 1024
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
        text = await asyncio.to_thread(_read, reach.inside(self.path), self.path)
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
        await asyncio.to_thread(_write, target, self.path, data)
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
        for file in _files(top, self.pattern):
            if len(found) == _LISTED:
                found.append(f"[more than {_LISTED} files; list a folder below, or use a pattern]")
                break
            found.append(f"{reach.shown(file)} ({file.lstat().st_size})")
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
        for count, file in enumerate(_files(top, self.pattern)):
            if len(found) >= _MATCHES or count >= _SEARCHED:
                found.append("[and more; search a folder below, or use a pattern]")
                break
            if file.lstat().st_size > _SEARCHED_SIZE:
                continue
            try:
                lines = _read(file, self.path).splitlines()
            except (NotAllowed, LimitReached, OSError):
                continue
            for number, line in enumerate(lines, 1):
                if wanted in line.casefold():
                    found.append(f"{reach.shown(file)}:{number}: {line.strip()[:300]}")
        return bounded("\n".join(found)) or f"[{self.text!r} was not found in {self.path!r}]"


def _there(target: Path, shown: str) -> Path:
    if not target.exists():
        raise NotAllowed(f"there is no {shown!r} in the workspace")
    return target


def _read(target: Path, shown: str) -> str:
    """The text of a file; raises `NotAllowed` for what is not text in a plain file."""
    status = _there(target, shown).stat()
    if stat.S_ISDIR(status.st_mode):
        raise NotAllowed(f"{shown!r} is a folder; list it with list_files")
    if not stat.S_ISREG(status.st_mode):
        raise NotAllowed(f"{shown!r} is not a plain file")
    if status.st_size > READ_LIMIT:
        raise LimitReached(f"{shown!r} has {status.st_size} bytes, more than {READ_LIMIT}")
    data = target.read_bytes()
    if b"\0" in data:
        raise NotAllowed(f"{shown!r} is not text: a binary file of {len(data)} bytes")
    return data.decode(errors="replace")


def _write(target: Path, shown: str, data: bytes) -> None:
    if target.exists() and not target.is_file():
        raise NotAllowed(f"{shown!r} is there and is not a plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _files(top: Path, pattern: str) -> Iterator[Path]:
    """Plain files at or below `top`, in order of name; links are not followed."""
    if top.is_file():
        yield top
        return
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED)
        for name in sorted(names):
            file = Path(folder, name)
            if fnmatch.fnmatch(name, pattern) and stat.S_ISREG(file.lstat().st_mode):
                yield file
