"""What a provider is handed beside an execution's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .program import Program


@dataclass(frozen=True, slots=True)
class Launch:
    """What an execution needs beside its record: its programs, where it works, its variables."""

    program: Program
    children: Mapping[tuple[str, str | None], Launch]
    workspace: Path
    environ: Mapping[str, str]
    fuse: bool = True
