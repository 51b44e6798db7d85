"""The models of a step in their order: one that does not answer gives way to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graphs.errors import ModelFailed
from ..graphs.thinking import Leash


class Candidates:
    """Who is left to ask, by place and name (None: the configured model); `said` is what there is
    to say of those that gave way.

    That one gave way is kept: should it be well again after a crash, what the next has thought
    and done by then still counts.
    """

    def __init__(self, models: Sequence[str], leash: Leash) -> None:
        self._models = models
        self._leash = leash
        self.said: list[str] = []

    def __iter__(self) -> Iterator[tuple[int, str | None]]:
        for place, model in enumerate(self._models or (None,)):
            kept = self._leash.recall(f"failed[{place}]")
            if kept is None:
                yield place, model
            else:
                self.said.append(kept["why"])

    async def gave_way(self, place: int, error: ModelFailed) -> None:
        """Raises the error when nobody is left."""
        if place + 1 >= len(self._models):
            raise error
        why = f"{error.message}; asked {self._models[place + 1]!r} instead"
        await self._leash.keep(f"failed[{place}]", {"why": why})
        self.said.append(why)
