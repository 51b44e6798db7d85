"""Keeping a running tree of processes within its limits, by looking at it often."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .cgroup import Cgroup
from .errors import LimitReached
from .limits import Limits
from .processtree import Process, Tree, proportional, resident, visible

INTERVAL = 0.05
"""Seconds between two looks."""

_LAZINESS = 10
"""Measuring shared memory exactly takes at most one part of our time in so many."""

_ROUNDS = 100
"""Looks, a hundredth of a second apart, after which what will not die is left alone."""

_NICENESS = 10

# Of their own, so that looking never queues behind the steps' work in the common executor.
_EYES = ThreadPoolExecutor(1, "assay-watch")


def watch(leader: int, limits: Limits, *, kept: bool = False) -> Watch | None:
    """Begin to keep the program that leads a session within its limits; None: no need, no way.

    The leader of a program that is `kept` ends what it has started when it is sent QUIT.
    """
    if limits.memory is None and limits.cpu is None:
        return None
    if visible():
        return Watch(leader, limits, kept=kept)
    if limits.memory is not None:
        limits.notice(
            "`resource_limits.memory` is not kept on this machine: it has no /proc to measure by"
        )
    if limits.cpu is not None:
        limits.notice(
            "`resource_limits.cpu` is no more than a low priority on this machine: it has no /proc"
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, leader, _NICENESS)
    return None


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a look saw: `cpu` in seconds since the program began, `memory` in bytes."""

    members: Sequence[Process]
    cpu: float
    memory: int

    @property
    def alive(self) -> bool:
        return any(member.alive for member in self.members)


class Watch:
    """One program, its descendants and their limits.

    A tree with too much memory is killed whole. One that is ahead of its share of CPU is
    stopped (SIGSTOP) until time has caught up; in a cgroup the kernel hardly lets it be.
    """

    def __init__(self, leader: int, limits: Limits, *, kept: bool = False) -> None:
        self._kept = kept
        self._memory = limits.memory
        self._cpu = limits.cpu
        self._tree = Tree(leader)
        self._cgroup = Cgroup.around(
            leader,
            None if limits.memory is None else limits.memory.limit,
            None if limits.cpu is None else limits.cpu.share,
        )
        self._verdict: LimitReached | None = None
        self._spent = 0.0
        self._stopped = False
        self._double = 0
        self._measure_after = 0.0
        self.task = asyncio.ensure_future(self._keep())

    def let_go(self) -> None:
        """Let the tree end at its own pace; its memory is watched on."""
        self._cpu = None
        self._resume()

    async def close(self) -> Exception | None:
        """Watch no longer; what the program failed by. Its leader must not be reaped before."""
        if self._verdict is None:
            self.task.cancel()
        await asyncio.wait([self.task])
        self._resume()
        if self._cgroup is not None:
            if self._memory is not None and self._verdict is None and self._cgroup.ran_out():
                self._verdict = self._memory.exceeded(self._cgroup.peak())
                await self._kill()
            self._cgroup.remove()
        if self._memory is not None:
            self._memory.release(self)
        failed = None if self.task.cancelled() else self.task.exception()
        return failed if isinstance(failed, Exception) else self._verdict

    async def _keep(self) -> None:
        sight = await self._look()
        if self._cgroup is not None:
            for member in sight.members:
                with contextlib.suppress(OSError):
                    self._cgroup.admit(member.pid)
        while True:
            if self._memory is not None and self._memory.hold(self, sight.memory):
                self._verdict = self._memory.exceeded(self._memory.peak)
                return await self._kill()
            self._pace(sight)
            await asyncio.sleep(INTERVAL)
            sight = await self._look()

    async def _look(self) -> _Sight:
        room = None if self._memory is None else self._memory.room(self)
        return await asyncio.get_running_loop().run_in_executor(_EYES, self._see, room)

    def _see(self, room: int | None) -> _Sight:
        members = self._tree.look()
        memory = 0 if room is None else self._measure(members, room)
        return _Sight(members, sum(member.cpu for member in members), memory)

    def _measure(self, members: Sequence[Process], room: int) -> int:
        """Bytes the tree holds; exact only when it matters, for that takes long."""
        held = sum(resident(member.pid) for member in members)
        if held <= room:
            return held
        began = time.monotonic()
        if held - self._double <= room and began < self._measure_after:
            return held - self._double
        exact = sum(proportional(member.pid) for member in members)
        ended = time.monotonic()
        self._measure_after = ended + _LAZINESS * (ended - began)
        self._double = max(0, held - exact)
        return exact

    async def _kill(self) -> None:
        # Memory does not wait for a grace, and what forks meanwhile is seen by the next look.
        self._resume()
        for turn in range(_ROUNDS):
            if self._kept and turn < _ROUNDS // 2:
                self._tree.end()
            else:
                self._tree.signal(signal.SIGKILL)
            if not (await self._look()).alive:
                return
            await asyncio.sleep(0.01)

    def _pace(self, sight: _Sight) -> None:
        # Less than before when a process has ended that nobody of the tree had to reap.
        used = max(0.0, sight.cpu - self._spent)
        self._spent = sight.cpu
        if self._cpu is None:
            return
        if not self._cpu.spend(used):
            self._resume()
        elif not self._stopped:
            self._stopped = True
            self._tree.signal(signal.SIGSTOP)

    def _resume(self) -> None:
        if self._stopped:
            self._stopped = False
            self._tree.resume()
