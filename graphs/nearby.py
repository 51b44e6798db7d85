"""Kept files at hand for expressions, where the store has no file of them on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from .errors import StoreError

if TYPE_CHECKING:
    from .execution import StepResult
    from .ports import Blobs
    from .run import Definition

READ_LIMIT = 16 * 1024 * 1024
"""Bytes that an expression may read of one file."""

_ROOM = 4 * READ_LIMIT
_READERS = re.compile(rb"hash_file|parse_coverage|parse_junit")


class Nearby:
    """The content of what an execution has kept, while it is in memory: an expression cannot
    wait for a store. Of much, what was used last is at hand."""

    def __init__(self, blobs: Blobs, definition: Definition) -> None:
        self._blobs = blobs
        self._definition = definition
        self._data: OrderedDict[str, bytes] = OrderedDict()

    def get(self, sha256: str) -> bytes | None:
        if sha256 in self._data:
            self._data.move_to_end(sha256)
        return self._data.get(sha256)

    async def keep(self, artifact: Mapping[str, Any], source: Path) -> None:
        """The file has just been kept as that artifact."""
        if not self._lacks(artifact):
            return
        with suppress(OSError):
            data = await asyncio.to_thread(source.read_bytes)
            if hashlib.sha256(data).hexdigest() == artifact["sha256"]:
                self._put(artifact["sha256"], data)

    async def recall(
        self,
        results: Iterable[StepResult],
        patiently: Callable[[Callable[[], Awaitable[bytes]]], Awaitable[bytes]],
    ) -> None:
        """What steps kept in an earlier life. What is lost is not at hand."""
        for result in results:
            for artifact in result.artifacts.values():
                sha256: str = artifact["sha256"]
                if self._lacks(artifact):
                    with suppress(StoreError):
                        self._put(sha256, await patiently(lambda s=sha256: self._blobs.get(s)))  # type: ignore[misc]

    def _lacks(self, artifact: Mapping[str, Any]) -> bool:
        sha256, size = artifact["sha256"], artifact["size"]
        if sha256 in self._data or size > READ_LIMIT or self._blobs.path(sha256) is not None:
            return False
        return self._read

    @cached_property
    def _read(self) -> bool:
        """Whether an expression of the workflow, or of one that it calls, reads files."""
        return _reads(self._definition)

    def _put(self, sha256: str, data: bytes) -> None:
        self._data[sha256] = data
        while sum(map(len, self._data.values())) > _ROOM:
            self._data.popitem(last=False)


def _reads(definition: Definition) -> bool:
    document = orjson.dumps(definition.program.workflow.document)
    return bool(_READERS.search(document)) or any(map(_reads, definition.children.values()))
