"""A program's pipes, read and fed as the event loop finds them ready."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO

_CHUNK = 64 * 1024


class Output:
    """What a program writes to one pipe; `take` is given each chunk as it comes.

    `closed` is done at the end of it; when `take` raises, that is the exception of `failed`,
    and nothing more is read.
    """

    def __init__(
        self, pipe: IO[bytes], take: Callable[[bytes], None], failed: asyncio.Future[None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._take = take
        self._failed = failed
        self.closed: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._ready)

    def close(self) -> None:
        """Read no more."""
        if not self._pipe.closed:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.closed.set_result(None)

    def _ready(self) -> None:
        try:
            chunk = os.read(self._pipe.fileno(), _CHUNK)
            if chunk:
                self._take(chunk)
            else:
                self.close()
        except BlockingIOError:
            return
        except Exception as error:
            if not self._failed.done():
                self._failed.set_exception(error)
            self.close()


class Input:
    """What a program is given to read; it need not read it."""

    def __init__(self, pipe: IO[bytes], data: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._left = memoryview(data)
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_writer(pipe.fileno(), self._ready)

    def close(self) -> None:
        """Write no more: the program reads the end."""
        if not self._pipe.closed:
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()

    def _ready(self) -> None:
        try:
            self._left = self._left[os.write(self._pipe.fileno(), self._left) :]
        except BlockingIOError:
            return
        except OSError:
            # It closed its end: it does not want the rest.
            self.close()
            return
        if not self._left:
            self.close()
