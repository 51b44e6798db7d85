"""Standard input as lines that one can stop waiting for."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import Self

_PIECE = 1 << 16


class Lines:
    """The lines of standard input, which is this object's from now on: children find none.

    Python ends no thread that reads; so this one is a daemon, and holds no lock of anybody's.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._input = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=self._read, name="standard input", daemon=True).start()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        return line.decode(errors="replace")

    def _read(self) -> None:
        rest = b""
        with suppress(OSError, RuntimeError):  # the loop may have ended meanwhile
            while piece := os.read(self._input, _PIECE):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
            if rest:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)
