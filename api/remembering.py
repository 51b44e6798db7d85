"""What agents remember: whose it is, and forgetting it."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from .access import Operation
from .administering import Administering

if TYPE_CHECKING:
    from ..graphs.memory import MemoryInfo
    from ..graphs.stored import Page


class Remembering(Administering):
    """The part of `Control` that looks after what agents remember."""

    async def memories(
        self, workflow: str | None = None, *, after: str | None = None, limit: int = 50
    ) -> Page[MemoryInfo]:
        """Of which keys agents (of that workflow) remember something."""
        self._allow(Operation.READ_MEMORIES)
        read = partial(self._store.memories, workflow=workflow)

        async def name(info: MemoryInfo) -> str:
            return info.workflow

        return await self._page(read, name, after, limit)

    async def forget_memory(self, workflow: str, key: str) -> int:
        """Forget the conversation and the facts under a key; how many turns and facts.

        The audit keeps a digest of the key: it may be the name of whoever wants to be forgotten.
        """
        return await self._change(
            Operation.FORGET_MEMORY,
            workflow,
            workflow,
            partial(self._store.forget, workflow, key),
            {"key_sha256": hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()},
        )
