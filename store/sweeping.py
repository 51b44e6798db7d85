"""Blobs that nobody refers to any more: found by reading everything that may, and removed. And
what agents remember and nobody has added to for long.

Whoever puts a blob that is there makes it young again, and what is young is never removed: what
is referred to after everything was read has been put not long before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import orjson

from ..graphs.listing import every
from .archive.packing import gather, named_in
from .mentions import mentioned

if TYPE_CHECKING:
    from ..graphs.memory import MemoryInfo
    from ..graphs.ports import Store
    from ..graphs.verdicts import Verdict
    from .upkeep import KeptBlobs, KeptStore


async def unreferred(store: KeptStore, blobs: KeptBlobs, before: float) -> set[str]:
    """Blobs that were last put before that time, seconds since 1970, and that nothing names.

    All journals are read if there are any so old. Two names of a blob in memory at most.
    """
    old = {sha256 async for sha256 in blobs.older(before)}
    if not old:
        return old
    named: set[str] = set()
    async for sha256 in _named(store):
        named.add(sha256)
    files = {artifact.sha256 async for artifact in every(store.artifacts)}
    # A large value may name files that others made; the files themselves name nothing.
    left = sorted(named - files)
    while left and not old <= named:
        sha256 = left.pop()
        if await blobs.has(sha256):
            inside = set(mentioned(await blobs.get(sha256))) - named
            named |= inside
            left += sorted(inside - files)
    return old - named - files


async def unused(store: Store, before: str) -> AsyncIterator[MemoryInfo]:
    """What was not added to at that time (RFC 3339) or later."""
    async for memory in every(store.memories):
        if memory.at < before:
            yield memory


def said(store: Store) -> AsyncIterator[Verdict]:
    """All verdicts on agents' answers, newest first."""
    return every(store.verdicts)


async def _named(store: KeptStore) -> AsyncIterator[str]:
    async for execution in every(store.executions):
        for sha256 in named_in(await gather(store, execution)):
            yield sha256
    async for trigger in every(store.triggers):
        for sha256 in mentioned(orjson.dumps([trigger.document, trigger.memory], default=dict)):
            yield sha256
    async for text in store.asides():
        for sha256 in mentioned(text):
            yield sha256
