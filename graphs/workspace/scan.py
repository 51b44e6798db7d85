"""What is in a folder now, and whether it can be kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ..errors import WorkspaceRefused
from ..units import format_size
from .bounds import Bounds

IGNORED = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")
"""What tools make again whenever it is not there."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in the folder. `sign` changes whenever the bytes of a file do, unless that
    happens within one tick of the clock of the file system."""

    kind: Literal["d", "f", "l"]
    mode: int
    size: int = 0
    sign: tuple[int, ...] = ()
    target: str = ""

    @property
    def changed_at(self) -> int:
        """Nanoseconds since 1970."""
        return max(self.sign[1:3])


def scan(folder: Path, ignore: Sequence[str], bounds: Bounds) -> dict[str, Found]:
    """Everything in the folder by relative path, folders before what is in them.

    Sockets, pipes and devices are passed over, and so is what is ignored, with all that is in
    it. Raises `WorkspaceRefused` for what cannot be kept, and names it.
    """
    found: dict[str, Found] = {}
    total = 0
    for path, one in _walk(folder, "", ignore):
        found[path] = one
        total += one.size
        if len(found) > bounds.count:
            raise WorkspaceRefused(
                f"the workspace holds more than {bounds.count} files and folders, of which "
                f"{path!r} is one too many; {_HOW} or raise ASSAY_SNAPSHOT_FILES"
            )
        if one.size > bounds.file:
            raise WorkspaceRefused(
                f"the file {path!r} has {format_size(one.size)}, and more than "
                f"{format_size(bounds.file)} are not kept; {_HOW} or raise ASSAY_SNAPSHOT_FILE"
            )
        if total > bounds.total:
            raise WorkspaceRefused(
                f"the workspace holds more than {format_size(bounds.total)}, of which {path!r} is "
                f"too much; {_HOW} or raise ASSAY_SNAPSHOT_TOTAL"
            )
    return found


_HOW = "name what need not be kept under `workspace.ignore`, let the step remove it,"


def ignored(path: str, ignore: Sequence[str]) -> bool:
    """Whether a pattern fits the name, or where it has a slash the whole path."""
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path if "/" in p else name, p.strip("/")) for p in ignore)


def _walk(folder: Path, prefix: str, ignore: Sequence[str]) -> Iterator[tuple[str, Found]]:
    try:
        with os.scandir(folder / prefix) as listed:
            names = sorted(listed, key=lambda one: one.name)
    except FileNotFoundError:
        return  # what runs beside has removed it
    except OSError as error:
        raise WorkspaceRefused(
            f"the folder {prefix.rstrip('/')!r} of the workspace cannot be read: {error.strerror}"
        ) from error
    for entry in names:
        path = f"{prefix}{entry.name}"
        if ignored(path, ignore):
            continue
        try:
            one = _found(folder, path, entry)
        except FileNotFoundError:
            continue
        if one is None:
            continue
        yield path, one
        if one.kind == "d":
            yield from _walk(folder, f"{path}/", ignore)


def _found(folder: Path, path: str, entry: os.DirEntry[str]) -> Found | None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise WorkspaceRefused(
            f"the name {path!r} in the workspace is not UTF-8; give the file another one"
        ) from None
    seen = entry.stat(follow_symlinks=False)
    mode = stat.S_IMODE(seen.st_mode) & 0o777
    if stat.S_ISDIR(seen.st_mode):
        return Found("d", mode)
    if stat.S_ISLNK(seen.st_mode):
        return Found("l", 0, target=_target(folder, path))
    if stat.S_ISREG(seen.st_mode):
        sign = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
        return Found("f", mode, seen.st_size, sign)
    return None


def _target(folder: Path, path: str) -> str:
    """Where a link leads, which must be inside the folder wherever that lies."""
    target = os.readlink(folder / path)
    root = os.path.realpath(folder)
    shown = os.path.normpath(os.path.join(os.path.dirname(path), target))
    real = os.path.realpath(folder / path)
    beyond = shown == ".." or shown.startswith("../") or not Path(real).is_relative_to(root)
    if os.path.isabs(target) or beyond:
        why = "an absolute path" if os.path.isabs(target) else "a place outside of it"
        raise WorkspaceRefused(
            f"the link {path!r} in the workspace leads to {why} ({target!r}), which is not there "
            "on another machine; make it relative and inside, remove it, or name it under "
            "`workspace.ignore`"
        )
    try:
        target.encode()
    except UnicodeEncodeError:
        raise WorkspaceRefused(f"the link {path!r} leads to {target!r}: not UTF-8") from None
    return target
