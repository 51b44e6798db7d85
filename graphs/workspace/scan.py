"""What is in a folder now, and whether it can be kept."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from fnmatch import translate
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import WorkspaceRefused
from ..units import format_size
from .bounds import Bounds

IGNORED = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")
"""What tools make again whenever it is not there."""


class Found(NamedTuple):
    """One thing in the folder. `sign` (size, time of change and of its record, inode) changes
    whenever the bytes of a file do, unless that happens within one tick of the clock."""

    kind: Literal["d", "f", "l"]
    mode: int
    size: int = 0
    sign: tuple[int, ...] = ()
    target: str = ""


class Ignored:
    """Patterns: one without a slash is held against the name, any other against the path."""

    def __init__(self, patterns: Sequence[str]) -> None:
        by_path = [translate(p.strip("/")) for p in patterns if "/" in p]
        self._names = re.compile("|".join(translate(p) for p in patterns if "/" not in p) or "$^")
        self._paths = re.compile("|".join(by_path) or "$^")
        self._any_path = bool(by_path)

    def has(self, path: str, name: str) -> bool:
        if self._names.match(name) is not None:
            return True
        return self._any_path and self._paths.match(path) is not None


def scan(folder: Path, ignore: Ignored, bounds: Bounds) -> dict[str, Found]:
    """Everything in the folder by relative path.

    Sockets, pipes and devices are passed over, and so is what is ignored, with all that is in
    it. Raises `WorkspaceRefused` for what cannot be kept, and names it.
    """
    found: dict[str, Found] = {}
    total = 0
    within = [""]
    while within:
        prefix = within.pop()
        for entry in _listed(folder, prefix):
            path = prefix + entry.name
            if ignore.has(path, entry.name):
                continue
            try:
                one = _found(folder, path, entry)
            except FileNotFoundError:
                continue  # what runs beside has removed it
            if one is None:
                continue
            found[path] = one
            if one.kind == "d":
                within.append(f"{path}/")
            total += one.size
            if total > bounds.total or one.size > bounds.file or len(found) > bounds.count:
                raise _too_much(path, one, len(found), bounds)
    return found


def _too_much(path: str, one: Found, count: int, bounds: Bounds) -> WorkspaceRefused:
    how = (
        "name what need not be kept under `workspace.ignore`, let the step remove it, or raise "
        "ASSAY_SNAPSHOT_"
    )
    if one.size > bounds.file:
        most = format_size(bounds.file)
        return WorkspaceRefused(
            f"the file {path!r} has {format_size(one.size)}, and more than {most} are not kept; "
            f"{how}FILE"
        )
    if count > bounds.count:
        return WorkspaceRefused(
            f"the workspace holds more than {bounds.count} files and folders, of which {path!r} is "
            f"one too many; {how}FILES"
        )
    return WorkspaceRefused(
        f"the workspace holds more than {format_size(bounds.total)}, of which {path!r} is too "
        f"much; {how}TOTAL"
    )


def _listed(folder: Path, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(f"{folder}/{prefix}") as listed:
            return sorted(listed, key=lambda one: one.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkspaceRefused(
            f"the folder {prefix.rstrip('/')!r} of the workspace cannot be read: {error.strerror}"
        ) from error


def _found(folder: Path, path: str, entry: os.DirEntry[str]) -> Found | None:
    if not path.isascii() and not _is_text(path):
        raise WorkspaceRefused(
            f"the name {path!r} in the workspace is not UTF-8; give the file another one"
        )
    seen = entry.stat(follow_symlinks=False)
    mode = seen.st_mode
    if stat.S_ISREG(mode):
        sign = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
        return Found("f", mode & 0o777, seen.st_size, sign)
    if stat.S_ISDIR(mode):
        return Found("d", mode & 0o777)
    if stat.S_ISLNK(mode):
        return Found("l", 0, target=_target(folder, path))
    return None


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    if not _is_text(target):
        raise WorkspaceRefused(f"the link {path!r} leads to {target!r}, which is not UTF-8")
    return target
