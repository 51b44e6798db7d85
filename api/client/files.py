"""A file that a step kept, brought here whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphs.errors import ConfigurationError, StateCorrupted

if TYPE_CHECKING:
    from .server import Server


def file_name(file: str) -> str:
    """The last part of a path that somebody else gave, as a name that stays in its folder."""
    name = file.replace("\0", "").rpartition("/")[2]
    return name if name.strip(".") else "artifact"


async def fetch(server: Server, place: str, sha256: str, target: Path) -> None:
    """Raises `StateCorrupted` when what came is not what was kept, `ConfigurationError` where
    it cannot be written."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")

    async def once() -> None:
        digest = hashlib.sha256()
        with part.open("wb") as stream:
            async with server.bytes(place) as pieces:
                async for piece in pieces:
                    digest.update(piece)
                    stream.write(piece)
        if digest.hexdigest() != sha256:
            raise StateCorrupted(f"what came is not the file {sha256}: it was changed on its way")

    try:
        await server.patiently(once, again=True)
        os.replace(part, target)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
