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


class Feed:
    """What a program is given to read bit by bit, until its end is written."""

    def __init__(self, data: bytes = b"") -> None:
        self.left = bytearray(data)
        self.ended = False
        self.changed: Callable[[], None] = lambda: None

    @classmethod
    def whole(cls, data: bytes) -> Feed:
        """One to which nothing is added any more."""
        feed = cls(data)
        feed.ended = True
        return feed

    def write(self, data: bytes) -> None:
        self.left += data
        self.changed()

    def end(self) -> None:
        """The program reads the end, behind all that was written."""
        self.ended = True
        self.changed()


class Input:
    """What a program is given to read; it need not read it."""

    def __init__(self, pipe: IO[bytes], feed: Feed) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._feed = feed
        os.set_blocking(pipe.fileno(), False)
        feed.changed = self._more
        self._more()

    def close(self) -> None:
        """Write no more: the program reads the end."""
        if not self._pipe.closed:
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()

    def _more(self) -> None:
        if not self._pipe.closed:
            self._loop.add_writer(self._pipe.fileno(), self._ready)

    def _ready(self) -> None:
        left = self._feed.left
        try:
            if left:
                del left[: os.write(self._pipe.fileno(), left)]
        except BlockingIOError:
            return
        except OSError:
            # It closed its end: it does not want the rest.
            self.close()
            return
        if not left and self._feed.ended:
            self.close()
        elif not left:
            self._loop.remove_writer(self._pipe.fileno())
