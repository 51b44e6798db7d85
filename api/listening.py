"""What every connection that stays open has in common, whichever surface keeps it.

It says when it is quiet, gives up who reads nothing, ends when its key is revoked, and is told
when the server ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from ..graphs.errors import AssayError, NotAuthenticated

HEARTBEAT = 15.0
"""Seconds of silence after which it is said that somebody is still there."""

STALLED = 30.0
"""Seconds after which who reads nothing is cut off; they come back with their cursors."""

LOOK = 2.0
"""Seconds between looks at a key; with those for which one is believed, less than 5."""

_GRACE = 2.0
"""Seconds that those have who are told that the server ends."""


async def revoked(identify: Callable[[], Awaitable[object]]) -> NotAuthenticated:
    """Ends when they are let in no more. A store that is away for a while ends nothing."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            await identify()
        except NotAuthenticated as error:
            return error
        except AssayError:
            continue


class Farewell:
    """The end of a server, for those whose connection would stay open."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._left = asyncio.Event()
        self._listening = 0

    @contextmanager
    def listener(self) -> Iterator[None]:
        """Within, the server does not end before this one has been told, or not at once."""
        self._listening += 1
        try:
            yield
        finally:
            self._listening -= 1
            if not self._listening:
                self._left.set()

    async def begun(self) -> None:
        """Returns when the server ends."""
        await self._begun.wait()

    async def say(self) -> None:
        """Tell them, and give them a moment to pass it on."""
        self._begun.set()
        self._left.clear()
        if self._listening:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._left.wait()
