"""What lists weigh that were made by adding to others: one that grows is not weighed anew."""

from __future__ import annotations

from threading import Lock
from typing import Any


class Weights:
    """The weights of lists, each found by its identity; the last ones of at most `most` in all.

    A list is kept as long as its weight is, so that no other can be taken for it. One that
    has another length by now than it had is not known any more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._total = 0
        self._known: dict[int, tuple[list[Any], int, int]] = {}
        self._lock = Lock()

    def of(self, value: object) -> int | None:
        """The list's weight, if it is known."""
        known = self._known.get(id(value))
        if known is None or len(known[0]) != known[1]:
            return None
        return known[2]

    def keep(self, made: list[Any], weight: int, instead_of: object) -> None:
        """Know a list that was made from another, which is not needed as a rule any more."""
        with self._lock:
            self._drop(id(instead_of))
            self._drop(id(made))
            self._known[id(made)] = (made, len(made), weight)
            self._total += weight
            while self._total > self._most:
                self._drop(next(iter(self._known)))

    def _drop(self, key: int) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._total -= known[2]
