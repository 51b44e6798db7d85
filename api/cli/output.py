"""Where a command writes: whole lines, and in silence once nobody reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import orjson


class Output:
    """Lines to a stream. A reader that went away ends neither the command nor its work."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.gone = False

    @property
    def terminal(self) -> bool:
        """Whether a person looks on, at something that can be drawn on."""
        return self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        if self.gone:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except BrokenPipeError:
            self.gone = True
            discard(self._stream)

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def json(self, value: Any, *, indent: bool = True) -> None:
        """A value as JSON: indented for one document, on one line in a stream of them."""
        option = orjson.OPT_INDENT_2 if indent else 0
        self.line(orjson.dumps(value, option=option, default=str).decode())


def discard(stream: TextIO) -> None:
    """Send what is still in the stream nowhere: Python would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
