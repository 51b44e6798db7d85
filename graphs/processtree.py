"""The processes that one program has started, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_DEAD = "ZX"
_TICKS = os.sysconf("SC_CLK_TCK")
_RESIDENT = re.compile(rb"^(?:VmRSS|VmSwap):\s+(\d+)", re.MULTILINE)
_PROPORTIONAL = re.compile(rb"^(?:Pss|SwapPss):\s+(\d+)", re.MULTILINE)
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment; `pid` and `started` together are never used again.

    `cpu` is seconds, those of the children it has reaped included.
    """

    pid: int
    parent: int
    group: int
    session: int
    started: int
    cpu: float
    alive: bool


class Tree:
    """A program that leads a session, with every process that came of it.

    What left the session belongs to it as long as its parent does, and once seen, for good;
    a daemon that forked twice between two looks is missed. The leader must not be reaped
    while the tree is in use: its number is what the tree is found by.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self._members: Mapping[int, Process] = {}
        # What ran before the program did is none of its own, and need not be read again.
        self._foreign = {pid for pid in _pids() if _session(pid) != leader}

    def look(self) -> Sequence[Process]:
        """The processes there are now, dead ones that nobody has reaped included."""
        pids = set(_pids())
        # A number that was free in between may be anybody's.
        self._foreign &= pids
        seen = {pid: process for pid in pids - self._foreign if (process := _read(pid))}
        mine: dict[int, Process] = {}
        while found := {p: q for p, q in seen.items() if p not in mine and self._owns(q, mine)}:
            mine |= found
        self._foreign |= seen.keys() - mine.keys()
        self._members = mine
        return list(mine.values())

    def _owns(self, process: Process, mine: Mapping[int, Process]) -> bool:
        known = self._members.get(process.pid)
        return (
            process.session == self.leader
            or process.parent in mine
            or (known is not None and known.started == process.started)
        )

    def signal(self, number: int) -> None:
        """Signal the program's group, then what the last look found outside of it."""
        self._signal_group(number)
        self._signal_outside(number)

    def end(self) -> None:
        """Have a leader that keeps all the others end them, and itself."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.leader, signal.SIGQUIT)

    def resume(self) -> None:
        """Let a stopped tree go on, the group last: a shell in it must not see a job stopped."""
        self._signal_outside(signal.SIGCONT)
        self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.leader, number)

    def _signal_outside(self, number: int) -> None:
        for process in self._members.values():
            if process.group != self.leader:
                _signal(process, number)


def visible() -> bool:
    """Whether this machine shows its processes under /proc."""
    return os.path.exists("/proc/self/stat")


def group_lives(group: int) -> bool:
    """Whether a process of the group still runs; a dead one that nobody reaped does not."""
    if visible():
        members = (_read(pid) for pid in _pids() if _group(pid) == group)
        return any(process is not None and process.alive for process in members)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        # Systems without /proc refuse, as not permitted, to signal none but the dead.
        return False
    return True


def resident(pid: int) -> int:
    """Bytes of memory and swap that a process holds, shared ones counted whole; 0 if gone."""
    return _bytes(pid, "status", _RESIDENT) or 0


def proportional(pid: int) -> int:
    """Bytes that a process holds, each shared page divided by those who share it.

    Exact and slow, some 30 ms a GiB; the kernel shows it only of our own user's processes,
    so of others it is `resident`.
    """
    exact = _bytes(pid, "smaps_rollup", _PROPORTIONAL)
    return resident(pid) if exact is None else exact


def _bytes(pid: int, file: str, wanted: re.Pattern[bytes]) -> int | None:
    try:
        with open(f"/proc/{pid}/{file}", "rb") as opened:
            return 1024 * sum(map(int, wanted.findall(opened.read())))
    except _GONE:
        return None


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as opened:
            text = opened.read()
    except _GONE:
        return None
    # The program's name comes second, in parentheses, and may hold anything, even those.
    rest = text.rpartition(b")")[2].split()
    parent, group, session = map(int, rest[1:4])
    ticks = sum(map(int, rest[11:15]))
    alive = rest[0].decode() not in _DEAD
    return Process(pid, parent, group, session, int(rest[19]), ticks / _TICKS, alive)


def _signal(process: Process, number: int) -> None:
    """Signal that very process, and not another that has got its number since."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        except OSError:
            # A sandbox that knows no handles: what is left is a race of microseconds.
            if _is(process):
                os.kill(process.pid, number)
            return
        try:
            if _is(process):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _is(process: Process) -> bool:
    now = _read(process.pid)
    return now is not None and now.started == process.started


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
