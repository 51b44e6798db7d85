"""Executions that nobody drives here, while the store may say that this process does."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from .errors import StoreUnavailable

_log = logging.getLogger("assay.provider")


class Astray:
    """What was let go of while the store was away. Nobody else takes it while this process
    lives, so it takes it up again, unless another has come first."""

    def __init__(
        self, take: Callable[[str], Awaitable[object]], on_add: Callable[[], object]
    ) -> None:
        """`on_add` sees to it that `take_up` is called soon, and now and then."""
        self._take, self._on_add = take, on_add
        self._ids: dict[str, None] = {}

    def add(self, execution_id: str) -> None:
        self._ids[execution_id] = None
        self._on_add()

    @contextmanager
    def doubted(self, execution_id: str, worker: str) -> Iterator[None]:
        """While the lease is asked for: it may be got without an answer that says so. By
        nobody (`worker` is empty) it is left to whoever comes."""
        try:
            yield
        except StoreUnavailable:
            if worker:
                self.add(execution_id)
            raise

    async def take_up(self) -> None:
        """All of it, or as much as can be until the store is away again."""
        for id in list(self._ids):
            del self._ids[id]  # first: it may go astray once more meanwhile
            if not await patiently(partial(self._take, id)):
                self.add(id)
                return


async def patiently(work: Callable[[], Awaitable[object]]) -> bool:
    """False: the store could not be used."""
    try:
        await work()
    except StoreUnavailable as error:
        _log.error("the store cannot be read: %s", error.message)
        return False
    return True
