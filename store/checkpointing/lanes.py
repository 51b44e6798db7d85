"""Group commit: what one tick of the event loop changes in a thread becomes durable at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from ...graphs.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .rows import Change

_Waiting: TypeAlias = "list[tuple[Change, asyncio.Future[None]]]"


class Lanes:
    """Writes the changes of each thread in the order in which they were issued.

    LangGraph issues the writes of a superstep and the checkpoint that follows it in one tick,
    without waiting for the first: here neither outlives the other. While a group is being
    written, the next one gathers.
    """

    def __init__(self, write: Callable[[str, Sequence[Change]], Awaitable[None]]) -> None:
        """Belongs to the running event loop."""
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, thread: str, change: Change) -> None:
        """Return when the change is durable. Raises what writing its group raises."""
        if asyncio.get_running_loop() is not self._loop:
            raise StoreError(
                "This checkpointer belongs to another event loop; open one for each loop."
            )
        written: asyncio.Future[None] = self._loop.create_future()
        waiting = self._waiting.get(thread)
        if waiting is None:
            waiting = self._waiting[thread] = []
            # The task begins after everything that is ready now: that is the first group.
            self._tasks[thread] = self._loop.create_task(self._drain(thread, waiting))
        waiting.append((change, written))
        await written

    async def settled(self, thread: str) -> None:
        """Return when nothing issued so far for the thread waits to be written."""
        if task := self._tasks.get(thread):
            await asyncio.wait([task])

    async def close(self) -> None:
        """Return when nothing waits to be written."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _drain(self, thread: str, waiting: _Waiting) -> None:
        group: _Waiting = []
        try:
            while waiting:
                group = waiting[:]
                waiting.clear()
                error = await self._try(thread, [change for change, _ in group])
                for _, written in group:
                    if written.done():  # its caller was cancelled
                        continue
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(error)
        finally:
            del self._waiting[thread], self._tasks[thread]
            for _, written in (*group, *waiting):
                written.cancel()  # only when the loop itself goes down

    async def _try(self, thread: str, changes: Sequence[Change]) -> Exception | None:
        try:
            await self._write(thread, changes)
        except Exception as error:
            return error
        return None
