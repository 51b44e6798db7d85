"""Time limits that pass when a test says so: left alone, a slow machine lets them pass too soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

Begin = Callable[[float | None], asyncio.Timeout]


class Deadlines:
    """The time limits of this process, which `asyncio.timeout` keeps."""

    def __init__(self) -> None:
        self._begun: list[tuple[float, asyncio.Timeout]] = []
        self._more = asyncio.Event()

    def watched(self, begin: Begin) -> Begin:
        """The same, and whatever is begun is known."""

        def timeout(seconds: float | None) -> asyncio.Timeout:
            begun = begin(seconds)
            if seconds is not None:
                self._begun.append((seconds, begun))
                self._more.set()
            return begun

        return timeout

    async def end(self, seconds: float = 3600) -> None:
        """The time is up for whatever was given so long, or a minute less at most: as soon as
        there is such a thing."""
        while True:
            self._more.clear()
            begun, self._begun = self._begun, []
            if sum(_ended(each) for given, each in begun if seconds - 60 < given <= seconds):
                return
            await self._more.wait()


def _ended(limit: asyncio.Timeout) -> bool:
    try:
        limit.reschedule(asyncio.get_running_loop().time())
    except RuntimeError:  # it was over already
        return False
    return True


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    """With limits of an hour, say, the test decides when they pass, and nothing else does."""
    kept = Deadlines()
    monkeypatch.setattr(asyncio, "timeout", kept.watched(asyncio.timeout))
    return kept
