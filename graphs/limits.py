"""What the processes of a step may use: bounds on memory and CPU, and a watch for the time."""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal
from weakref import WeakSet

from .cgroup import usable
from .errors import LimitReached
from .step import StepLimits
from .units import format_duration, format_size

BURST = 0.2
"""Seconds of its share of CPU that programs may use ahead, having used less before."""

Owner = Literal["step", "workflow", "profile"]
Clock = Callable[[], float]


def _unheard(message: str) -> None:
    """What nobody listens to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What programs may use; all that are started under one `Limits` share it.

    An execution has one for its workflow, and `narrowed` gives each attempt of a step its
    own where the step says so. `notice` is told in a sentence what this machine cannot do.
    """

    memory: Memory | None = None
    cpu: Cpu | None = None
    notice: Callable[[str], None] = _unheard

    @classmethod
    def of_workflow(
        cls, given: StepLimits | None, notice: Callable[[str], None] = _unheard
    ) -> Limits:
        """What the steps of one execution share."""
        return cls(notice=notice)._with(given, "workflow")

    def narrowed(self, given: StepLimits | None) -> Limits:
        """What one attempt of a step has: each of its own limits beats the workflow's."""
        return self._with(given, "step")

    def at_most(self, memory: int | None) -> Limits:
        """Of one program whose security profile allows so many bytes of memory."""
        if memory is None or (self.memory is not None and self.memory.limit <= memory):
            return self
        return replace(self, memory=Memory(memory, "profile"))

    def _with(self, given: StepLimits | None, owner: Owner) -> Limits:
        if given is None:
            return self
        memory = self.memory if given.memory is None else Memory(given.memory, owner)
        cpu = self.cpu if given.cpu is None else Cpu(given.cpu)
        return replace(self, memory=memory, cpu=cpu)


class Memory:
    """Bytes that several trees of processes may hold together, and what each holds now."""

    def __init__(self, limit: int, owner: Owner = "step") -> None:
        self.limit = limit
        self.peak = 0
        self._owner = owner
        self._held: dict[object, int] = {}

    def room(self, holder: object) -> int:
        """Bytes that the others leave to this one."""
        return self.limit - sum(used for other, used in self._held.items() if other is not holder)

    def hold(self, holder: object, used: int) -> bool:
        """Whether it is too much by now, and this holder, as the largest, the one to end."""
        self._held[holder] = used
        total = sum(self._held.values())
        self.peak = max(self.peak, total)
        return total > self.limit and used == max(self._held.values())

    def release(self, holder: object) -> None:
        """It holds nothing any more."""
        self._held.pop(holder, None)

    def exceeded(self, peak: int) -> LimitReached:
        """The error for a peak of so many bytes."""
        if self._owner == "profile":
            return LimitReached(
                f"the program used {format_size(peak)} of memory, over the "
                f"{format_size(self.limit)} that its security profile allows, and was ended with "
                "all it had started"
            )
        shared = self._owner == "workflow"
        ended = "those of this step, the largest, were ended" if shared else "they were ended"
        return LimitReached(
            f"the {self._owner}'s processes used {format_size(peak)} of memory, over its "
            f"`resource_limits.memory` of {format_size(self.limit)}, and {ended}; "
            f"raise the limit or let {'less run at once' if shared else 'the step need less'}"
        )


class Cpu:
    """A share of the machine, in cores, that several trees of processes use together."""

    _every: ClassVar[WeakSet[Cpu]] = WeakSet()

    def __init__(self, share: float, clock: Clock = time.monotonic) -> None:
        self.share = share
        self._clock = clock
        self._at = clock()
        self._ahead = -BURST * share
        self._cores: frozenset[int] = frozenset()

    def spend(self, seconds: float) -> bool:
        """Take note of CPU time used; whether it is more than the share allows by now."""
        now = self._clock()
        earned = self.share * (now - self._at)
        self._at = now
        self._ahead = max(self._ahead + seconds - earned, -BURST * self.share)
        return self._ahead > 0

    @contextlib.contextmanager
    def cores(self) -> Iterator[None]:
        """Programs started in here are born on as many cores as the share fills.

        They also size themselves by that: what asks how many cores there are is told.
        """
        cores = self._chosen()
        if cores is None:
            yield
            return
        # A child inherits them from the thread that forks it; put on the child itself they
        # would miss what it has forked already.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def _chosen(self) -> frozenset[int] | None:
        """The cores that fewest others were given; None where any will do."""
        if not hasattr(os, "sched_setaffinity") or usable() is not None:
            return None
        available = os.sched_getaffinity(0)
        wanted = math.ceil(self.share)
        if wanted >= len(available):
            return None
        if not self._cores or not self._cores <= available:
            given = [core for other in Cpu._every for core in other._cores]
            order = sorted(available, key=lambda core: (given.count(core), random.random()))
            self._cores = frozenset(order[:wanted])
            Cpu._every.add(self)
        return self._cores


class Stopwatch:
    """Counts the seconds that are worked, not those that are waited.

    It stands until `start`. Keep `seconds` when an execution parks, and go on from there.
    """

    def __init__(self, seconds: float = 0.0, clock: Clock = time.monotonic) -> None:
        self._before = seconds
        self._clock = clock
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        running = 0.0 if self._since is None else self._clock() - self._since
        return self._before + running

    def start(self) -> None:
        """Count from now on; nothing if it counts already."""
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Count no further; nothing if it stands already."""
        self._before = self.seconds
        self._since = None

    def left(self, limit: float | None) -> float | None:
        """Seconds until the limit, at least 0; None without one, as `asyncio.timeout` takes it."""
        return None if limit is None else max(0.0, limit - self.seconds)


def overtime(limit: float) -> LimitReached:
    """The error of an execution that has worked for longer than that many seconds."""
    return LimitReached(
        "the execution has worked for longer than `resource_limits.timeout` of "
        f"{format_duration(limit)} (waiting is not counted); raise it or split the workflow"
    )
