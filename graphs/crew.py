"""Branches that run beside each other, each in a strand of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

from .strands import Gate, Parked, Strand

T = TypeVar("T")

Work = Callable[[Strand], Coroutine[Any, Any, T]]


class Crew(Generic[T]):
    """Starts branches and tells which have ended; `strand` is that of the step they belong to.

    When the execution leaves memory every branch raises `Parked`; `ended` then raises one for
    all. Leave it by `close`, whatever happens.
    """

    def __init__(
        self,
        strand: Strand,
        gate: Gate | None = None,
        *,
        held: Callable[[Strand], bool] = lambda _: False,
    ) -> None:
        """`held`: whether something in the strand goes on without an answer, later."""
        self._strand = strand
        self._gate = gate
        self._held = held
        self._strands: dict[asyncio.Task[T], Strand] = {}
        self._done: deque[asyncio.Task[T]] = deque()
        self._parked: list[Parked] = []
        self._wake: asyncio.Future[None] | None = None
        self._quiet = False

    def start(self, work: Work[T]) -> asyncio.Task[T]:
        """Run one branch; it holds the crew's gate while it is active."""
        strand = Strand(self._strand, self._gate)
        task = asyncio.ensure_future(_within(work, strand))
        self._strands[task] = strand
        task.add_done_callback(self._ended)
        return task

    @property
    def working(self) -> bool:
        return bool(self._strands)

    async def ended(self, *, unless_quiet: bool = False) -> list[asyncio.Task[T]]:
        """The branches that have ended since the last call, at least one.

        Empty when none is left, or, if wanted, when all that are left wait for answers.
        Raises what a branch raised; none does but for reasons that end the whole execution.
        """
        while self._strands:
            await self._until_something(unless_quiet)
            found = self._harvest()
            if found or (unless_quiet and self._quiet):
                return found
        if self._parked:
            raise Parked(tuple(q for parked in self._parked for q in parked.questions))
        return []

    async def close(self) -> None:
        """Cancel what still runs, and wait until all of it has ended."""
        await cancel(self._strands)
        for strand in self._strands.values():
            strand.end()
        self._strands.clear()

    async def _until_something(self, unless_quiet: bool) -> None:
        self._quiet = False
        if unless_quiet:
            self._strand.when_quiet(self._all_quiet)
        try:
            with self._strand.waiting():
                while not self._done and not self._quiet:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
        finally:
            self._wake = None
            if unless_quiet:
                self._strand.when_quiet(None)

    def _harvest(self) -> list[asyncio.Task[T]]:
        found = []
        while self._done:
            task = self._done.popleft()
            strand = self._strands.pop(task, None)
            if strand is None:
                continue
            strand.end()
            if not task.cancelled() and isinstance(error := task.exception(), Parked):
                self._parked.append(error)
                continue
            if not task.cancelled():
                task.result()
            found.append(task)
        return found

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._done.append(task)
        if self._wake is None and (strand := self._strands.get(task)) is not None:
            # Whoever may ask for it later can go on without: nothing is active here any more.
            strand.end()
        self._go_on()

    def _all_quiet(self) -> None:
        if not self._held(self._strand):
            self._quiet = True
            self._go_on()

    def _go_on(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


async def _within(work: Work[T], strand: Strand) -> T:
    await strand.enter()
    return await work(strand)


async def cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel and wait until every one has ended, whatever it ends with."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)
