"""Lines of control of one execution: which of them can go on by themselves, and which wait.

A composite step runs each branch in a strand of its own. A strand is active while it, or a
strand that it waits for, can go on; when the root is not, the execution waits as a whole.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from .question import Question


class Parked(BaseException):
    """An execution that waits as a whole leaves memory; no `except Exception` may stop it."""

    def __init__(self, questions: tuple[Question, ...] = ()) -> None:
        super().__init__()
        self.questions = questions


class Panicked(BaseException):
    """The system failed under the step at the path: the whole execution starts again."""

    def __init__(self, error: BaseException, path: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.path = path


class Gate:
    """Lets so many in at once; higher priority first, then who came first."""

    def __init__(self, limit: int) -> None:
        self.limit = self._free = limit
        self._turn = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def enter(self, priority: int = 0) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._turn), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    @property
    def full(self) -> bool:
        return self._free <= 0

    async def room(self) -> None:
        """Return when somebody more could be let in, and nobody waits for it."""
        await self.enter(-sys.maxsize)
        self.leave()

    def leave(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Strand:
    """One line of control. `gate` is held while it is active."""

    __slots__ = (
        *("_active", "_crew_quiet", "_entering", "_gate", "_holds", "_on_quiet", "_on_wake"),
        *("_parent", "_priority"),
    )

    def __init__(
        self,
        parent: Strand | None = None,
        gate: Gate | None = None,
        *,
        priority: int = 0,
        on_quiet: Callable[[], None] | None = None,
        on_wake: Callable[[], None] | None = None,
    ) -> None:
        self._parent = parent
        self._gate = gate
        self._priority = priority
        self._on_quiet = on_quiet
        self._crew_quiet: Callable[[], None] | None = None
        self._holds = False
        self._entering: asyncio.Future[None] | None = None
        self._active = 0
        self._on_wake: Callable[[], None] | None = None
        self.up()
        self._on_wake = on_wake

    @property
    def quiet(self) -> bool:
        """Nothing in it can go on before something is answered."""
        return self._active == 0

    @property
    def entered(self) -> bool:
        """It holds its gate; else nothing in it runs."""
        return self._holds

    def within(self, other: Strand) -> bool:
        """It is that strand, or one below it."""
        strand: Strand | None = self
        while strand is not None and strand is not other:
            strand = strand._parent
        return strand is other

    def up(self) -> None:
        """One more line in it can go on."""
        self._active += 1
        if self._active > 1:
            return
        if self._on_wake is not None:
            self._on_wake()
        if self._parent is not None:
            self._parent.up()

    def down(self) -> None:
        """One line fewer can go on."""
        self._active -= 1
        if self._active > 0:
            return
        self._let_go()
        for call in (self._crew_quiet, self._on_quiet):
            if call is not None:
                call()
        if self._parent is not None:
            self._parent.down()

    def when_quiet(self, call: Callable[[], None] | None) -> None:
        """Call it whenever the strand becomes quiet, and now if it is, beside `on_quiet`."""
        self._crew_quiet = call
        if call is not None and self.quiet:
            call()

    async def enter(self) -> None:
        """Hold every gate on the way here from the root."""
        if self._parent is not None:
            await self._parent.enter()
        if self._gate is None or self._holds:
            return
        if self._entering is None:
            self._entering = asyncio.ensure_future(self._gate.enter(self._priority))
        # Two lines that wake in one strand need its gate once.
        await asyncio.shield(self._entering)
        self._holds, self._entering = True, None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within, it goes on only through the strands below it."""
        self.down()
        try:
            yield
        finally:
            self.up()

    def end(self) -> None:
        """It has ended, and whoever waited for it knows."""
        self._crew_quiet = self._on_quiet = self._on_wake = None
        if self._active > 0:
            self._active = 0
            self._let_go()
            if self._parent is not None:
                self._parent.down()

    def _let_go(self) -> None:
        entering, self._entering = self._entering, None
        if entering is not None and not entering.done():
            entering.cancel()
        elif self._gate is not None and (self._holds or entering is not None):
            self._gate.leave()
        self._holds = False


class Place:
    """Where one strand is parked until somebody resolves it."""

    __slots__ = ("_future", "_waits", "strand")

    def __init__(self, strand: Strand) -> None:
        self.strand = strand
        self._waits = False
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        """Until it is resolved; its strand is not active meanwhile."""
        if self._future.done():
            return
        self._waits = True
        self.strand.down()
        try:
            await self._future
        except BaseException:
            if self._waits:
                self.strand.up()
            raise
        await self.strand.enter()

    def resolve(self) -> None:
        """Let it go on, now or as soon as it wants to wait. Resolving twice is harmless."""
        if self._future.done():
            return
        if self._waits:
            # At once, or the execution would look as if all of it waited.
            self._waits = False
            self.strand.up()
        self._future.set_result(None)

    def unwind(self, parked: Parked) -> None:
        """Make it leave memory."""
        if not self._future.done():
            self._future.set_exception(parked)
