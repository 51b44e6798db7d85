"""Where working copies lie on this machine, and how much may be kept of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a folder may hold: bytes of one file, files and folders, bytes together."""

    file: int = 64 * MIB
    count: int = 10_000
    total: int = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Workspaces:
    """What the operator says of files.

    `folder` holds the working copies of this machine, `shared` is the mount for `mode: shared`
    (None: there is none). `many_machines`: the store is one that workers on several share.
    """

    folder: Path
    bounds: Bounds = Bounds()
    shared: Path | None = None
    many_machines: bool = False
