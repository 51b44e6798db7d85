"""Server-sent events, read from bytes as they come, as the HTML standard has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""Of a line. A `\\r` that is the last byte so far may be half of one."""

LARGEST = 64 << 20
"""Bytes of a frame that is not at its end yet; more is no stream of ours."""


class Frame(NamedTuple):
    """`id` is None where none was sent, `event` empty for a frame that moves a cursor only."""

    id: str | None
    event: str
    data: str


class Frames:
    """Takes bytes, gives whole frames. What was cut off before its end is no frame."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Raises `ValueError` for what cannot be a stream of events."""
        self._size += len(chunk)
        if self._size > LARGEST:
            raise ValueError("a frame does not end")
        *lines, self._rest = _END.split(self._rest + chunk)
        for line in lines:
            if line:
                self._take(line.decode())
            elif self._fields:
                yield self._frame()

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name in ("id", "event", "data"):
            self._fields.setdefault(name, []).append(value.removeprefix(" "))

    def _frame(self) -> Frame:
        fields, self._fields, self._size = self._fields, {}, len(self._rest)
        id, data = fields.get("id"), fields.get("data")
        last = None if id is None else id[-1]
        if data is None:
            return Frame(last, "", "")
        return Frame(last, fields.get("event", ["message"])[-1], "\n".join(data))
