"""What a program may touch and use, and how strongly a machine can hold it to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

Network = Literal["none", "public", "any"]


class Rung(IntEnum):
    """How a program is held: each rung holds all that the one below it does.

    NONE: as any other program. RLIMITS: what it may use is bounded, nothing of it survives.
    JAIL: Landlock and seccomp, of this process tree alone. BUBBLEWRAP: namespaces as well.
    """

    NONE = 0
    RLIMITS = 1
    JAIL = 2
    BUBBLEWRAP = 3

    @property
    def label(self) -> str:
        """Its name as people read it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Confinement:
    """What one program and all that it starts may touch.

    `readable` and `writable` are files, or folders with everything below; what may be
    read may be executed. `hidden` are folders in them that are empty for it, on BUBBLEWRAP alone:
    no other rung can take away a part of what it gives. `memory` and `file_size` are bytes,
    `cpu_seconds` are of each process, `processes` are those of the whole tree at once. None: no
    bound.
    """

    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    network: Network = "none"
    memory: int | None = None
    cpu_seconds: int | None = None
    processes: int | None = None
    open_files: int | None = None
    file_size: int | None = None
