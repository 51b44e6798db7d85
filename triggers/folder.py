"""Which files in a folder a pattern fits, and how each of them stands."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from ..graphs.errors import LimitReached

LIMIT = 10_000
"""Files that one pattern may fit."""

_LOOKS = 100_000
"""Entries of folders that are looked at, whether they fit or not."""

_LONGEST = 500
_ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a file stood; `modified_ns` is nanoseconds since 1970, `size` bytes."""

    modified_ns: int
    size: int
    inode: int

    @property
    def version(self) -> str:
        """The same as long as nobody writes the file or puts another in its place."""
        text = f"{self.modified_ns} {self.size} {self.inode}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Found:
    """Files by path within the folder. `notices` say what was left out; `whole` is False when
    a folder could not be read, so that what is not among `files` may still be there."""

    files: dict[str, Seen] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    whole: bool = True


def check_pattern(pattern: str) -> str:
    """Raises `ValueError` unless the pattern stays in its folder."""
    parts = pattern.split("/")
    if len(pattern) > _LONGEST:
        raise ValueError(f"a pattern has {_LONGEST} characters at most, not {len(pattern)}")
    if pattern.startswith("/"):
        raise ValueError(f"{pattern!r} is absolute; write it relative to the workspace")
    if ".." in parts:
        raise ValueError(f"{pattern!r} leaves the workspace; write it without `..`")
    if not parts[-1]:
        raise ValueError(f"{pattern!r} names no file; write for example inbox/*.csv or inbox/**")
    if "" in parts or "." in parts or "\0" in pattern:
        raise ValueError(f"{pattern!r} is not a path; write names parted by single slashes")
    return pattern


def scan(folder: Path, pattern: str) -> Found:
    """The regular files that fit: `*`, `?` and `[…]` within a name, `**` for any folders.

    A name that begins with a dot fits only where the pattern says the dot. Links to folders
    are not followed, those to files only within the folder. Blocks. Raises `LimitReached` when
    more files fit, or more must be looked at, than are watched.
    """
    root, parts, found = folder.resolve(), pattern.split("/"), Found()
    waiting, looks = [("", _reached({0}, parts))], 0
    while waiting:
        place, states = waiting.pop()
        for entry in _listed(root, place, found):
            looks += 1
            path = f"{place}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if inside := _inside(entry.name, states, parts):
                    waiting.append((f"{path}/", inside))
                continue
            fits = _fits(entry.name, states, parts)
            if fits or (entry.is_symlink() and _inside(entry.name, states, parts)):
                seen = _seen(entry, path, root, found)
                if seen is not None and fits:
                    found.files[path] = seen
        if len(found.files) > LIMIT or looks > _LOOKS:
            raise LimitReached(_too_many(pattern, len(found.files) > LIMIT))
    return found


def _reached(states: set[int], parts: Sequence[str]) -> frozenset[int]:
    """With those that are reached without a name: `**` may stand for no folder."""
    reached, last = set(states), len(parts) - 1
    for state in sorted(states):
        while state < last and parts[state] == _ANY_FOLDERS:
            state += 1
            reached.add(state)
    return frozenset(reached)


def _inside(name: str, states: frozenset[int], parts: Sequence[str]) -> frozenset[int]:
    """What is left to fit below a folder of that name."""
    last = len(parts) - 1
    through = {s for s in states if parts[s] == _ANY_FOLDERS and not name.startswith(".")}
    on = {s + 1 for s in states if s < last and parts[s] != _ANY_FOLDERS and _named(name, parts[s])}
    return _reached(through | on, parts)


def _fits(name: str, states: frozenset[int], parts: Sequence[str]) -> bool:
    return len(parts) - 1 in states and _named(name, parts[-1])


def _named(name: str, part: str) -> bool:
    return name.startswith(".") <= part.startswith(".") and fnmatchcase(name, part)


def _listed(root: Path, place: str, found: Found) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / place) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        if not place:
            found.whole = False
            found.notices.append(f"the folder {root} is not there")
    except OSError as error:
        found.whole = False
        found.notices.append(f"{place or str(root)} cannot be read: {error.strerror}")


def _seen(entry: os.DirEntry[str], path: str, root: Path, found: Found) -> Seen | None:
    """How a file, or one that a link within leads to, stands; None for what is not watched."""
    try:
        path.encode()
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
            found.notices.append(f"{path} leads out of the workspace; it is not watched")
            return None
        status = entry.stat()
    except UnicodeEncodeError:
        found.notices.append(f"{path!r} is no UTF-8; it is not watched")
        return None
    except (OSError, RuntimeError):  # gone meanwhile; a link to nothing, or to itself
        return None
    if stat.S_ISDIR(status.st_mode):
        found.notices.append(f"{path} is a link to a folder; it is not followed")
    if not stat.S_ISREG(status.st_mode):
        return None
    return Seen(status.st_mtime_ns, status.st_size, status.st_ino)


def _too_many(pattern: str, fit: bool) -> str:
    if fit:
        return (
            f"more than {LIMIT} files fit {pattern!r}, too many to watch; write a narrower "
            "`path`, or move away the files that are done"
        )
    return (
        f"to find what fits {pattern!r}, more than {_LOOKS} files must be looked at; write a "
        "narrower `path`"
    )
