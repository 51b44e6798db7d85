"""`assay artifacts`: the files that steps kept, listed or fetched."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphs.errors import ConfigurationError
from ...graphs.units import format_size
from ..client.files import file_name
from .exits import OK
from .opened import open_records
from .output import Output
from .text import columns, one_line

if TYPE_CHECKING:
    from ...graphs.stored import ArtifactInfo

_STRANGE = re.compile(r"[^\w.\[\]~#-]")
"""What no path of a step has."""


async def artifacts(given: str, to: str | None, *, json: bool) -> int:
    """Those of an execution, newest first. Raises `ExecutionNotFound`, `StateCorrupted`."""
    out = Output()
    async with open_records() as site:
        id = await site.whole_id(given)
        found = [artifact async for artifact in site.artifacts(id)]
        if to is not None:
            # Of two that one step kept in turn the newest stays.
            for artifact in reversed(found):
                await site.fetch(artifact, _target(artifact, Path(to)))
    if json:
        out.json([asdict(artifact) for artifact in found])
        return OK
    table = [(a.path, a.name, one_line(a.file), format_size(a.size), a.sha256) for a in found]
    for line in columns(table) if to is None else ():
        out.line(line)
    for artifact in found if to is not None else ():
        out.line(str(_target(artifact, Path(to or ""))))
    return OK


def _target(artifact: ArtifactInfo, folder: Path) -> Path:
    """Where it is written: by its step, and never outside of the folder."""
    place = folder / (_STRANGE.sub("_", artifact.path).strip(".") or "_")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be made: {error.strerror}") from error
    return place / file_name(artifact.file)
