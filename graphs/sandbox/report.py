"""What a keeper says of a program that it could not start, or had to end."""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import LimitReached, Terminal

_LONGEST = 4096


class Report:
    """A pipe: the keeper is given `descriptor`, and what is read back is why there is no result."""

    def __init__(self) -> None:
        self._reading, self.descriptor = os.pipe()
        os.set_blocking(self._reading, False)

    def error(self, program: str) -> Exception | None:
        """What the program failed by, if the keeper says so. To be asked once it has ended."""
        with suppress(BlockingIOError):
            kind, _, told = os.read(self._reading, _LONGEST).decode().partition(" ")
            if kind == "failed":
                return Terminal(f"could not start {program!r} confined: {told}")
            if kind == "processes":
                return LimitReached(
                    f"the program had {told} processes at once, more than its security profile "
                    "allows, and was ended with all of them"
                )
        return None

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self._reading)
        os.close(self.descriptor)
