"""A process of its own, with the arguments ORDERS PROGRAM [ARGUMENT…]: holds a program to them.

Imports nothing but the standard library. ORDERS are JSON, as `ladder` writes them. TERM asks
what runs to end, QUIT ends it; nothing of it outlives the program or its keeper. Whatever cannot
be laid down, the program is not started.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from .attributes import Attributes, install
from .crowd import Crowd, children_of, descendants, tasks_of

FAILED = 125
"""The exit status of a keeper that could not lay down what it was ordered to."""

_GLANCE = 0.02
"""Seconds between two glances at how many processes the machine has."""

_FIRST_TO_DIE = 900
"""When the machine runs out of memory; Assay itself has 0."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 24, 36, 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_NEVER = 1 << 6 | 1 << 11  # make devices
_TCP, _SIGNALS, _SCOPES = 0b11, 0b10, 0b11  # the last: signals and abstract sockets

Pair = tuple[socket.socket, socket.socket]

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    orders, argv = json.loads(sys.argv[1]), sys.argv[2:]
    signals = {signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD}
    woken = _awake(signals)
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if os.getppid() != orders["parent"]:
        os._exit(FAILED)
    os.set_inheritable(orders["report"], False)
    scoped = not orders["frames"] and landlock_version() >= 6
    if scoped:
        # What it starts is in a domain below this one: it can signal nobody outside, and
        # a signal to everybody ends all of it, and only it, whatever it has forked.
        scoped = _wall_off(orders["parent"])
    asking = socket.socketpair() if orders["attributes"] else None
    child = os.fork()
    if child == 0:
        _start(orders, argv, scoped, asking)
    for own in range(3):
        os.dup2(nothing, own)
    _hurry()
    attributes = None
    if asking is not None:
        asking[1].close()
        attributes = Attributes.asked_by(asking[0], orders["attributes"])
    _Keeper(child, orders, scoped, woken, attributes).run()


def _wall_off(parent: int) -> bool:
    """Let no signal leave from here on; whether that holds."""
    ruleset = _ruleset(_REFER, 0, _SIGNALS)
    _allow(ruleset, "/", _REFER)  # Else no domain below could move a file to another folder.
    _restrict(ruleset)
    with suppress(PermissionError):
        os.kill(parent, 0)
        return False
    return True


def landlock_version() -> int:
    """The version of the kernel's Landlock; 0 without any."""
    version: int = _libc.syscall(_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    return max(0, version)


class _Keeper:
    """The program under way, and the end of it."""

    def __init__(
        self,
        child: int,
        orders: dict[str, Any],
        scoped: bool,
        woken: int,
        attributes: Attributes | None,
    ) -> None:
        self._child = child
        self._attributes = attributes
        self._frames: int = orders["frames"]
        self._grace: float = orders["grace"]
        self._report: int = orders["report"]
        self._own: str = orders["own"]
        self._parent: int = orders["parent"]
        self._crowd = Crowd(orders["processes"])
        self._scoped = scoped
        self._woken = woken
        self._status: int | None = None
        self._until: float | None = None
        self._alone = False

    def run(self) -> NoReturn:
        while not self._alone:
            for number in self._heard():
                if number == signal.SIGTERM:
                    self._ask()
                elif number == signal.SIGQUIT:
                    self._end()
            self._reap()
            if (count := self._crowd.over()) and self._until is None:
                _tell(self._report, "processes", count)
                self._end()
            if self._status is not None and not self._alone:
                self._ask()
            if self._until is not None and time.monotonic() >= self._until:
                self._end()
        if self._own and os.getppid() != self._parent:
            # Who would have removed it is dead.
            shutil.rmtree(self._own, ignore_errors=True)
        _leave(os.waitstatus_to_exitcode(self._status or 0))

    def _heard(self) -> bytes:
        left = _GLANCE if self._crowd.limit else None
        if self._until is not None:
            left = max(0.0, self._until - time.monotonic())
        asking = [] if self._attributes is None else [self._attributes.listener]
        ready, _, _ = select.select([self._woken, *asking], [], [], left)
        if self._attributes is not None and self._attributes.listener in ready:
            self._attributes.answer()
        return os.read(self._woken, 512) if self._woken in ready else b""

    def _reap(self) -> None:
        while not self._alone:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = status

    def _ask(self) -> None:
        """Ask all that runs to end, once; it has until the end of the grace."""
        if self._until is not None:
            return
        self._until = time.monotonic() + self._grace
        for pid in self._running():
            _signal(pid, signal.SIGTERM)

    def _end(self) -> None:
        """End all that runs. Frozen first, nothing slips away by forking."""
        self._until = time.monotonic() + 0.05
        if self._scoped:
            _signal(-1, signal.SIGKILL)
            return
        if self._frames:
            _signal(self._child, signal.SIGKILL)  # and the kernel all that is in its namespace
            return
        frozen: set[int] = set()
        while new := set(descendants(os.getpid())) - frozen:
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            frozen |= new
        for pid in frozen:
            _signal(pid, signal.SIGKILL)

    def _running(self) -> list[int]:
        """What the program has started, but not the processes that only hold the namespaces."""
        frames = {self._child} if self._frames else set[int]()
        for _ in range(self._frames - 1):
            frames |= {pid for frame in frames for pid in children_of().get(frame, ())}
        return [pid for pid in descendants(os.getpid()) if pid not in frames]


def _hurry() -> None:
    """Run before what is kept, if we may: a thousand processes must not keep it from looking."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _tell(report: int, *words: object) -> None:
    with suppress(OSError):
        os.write(report, " ".join(map(str, words)).encode()[:4000])


def _awake(signals: Iterable[signal.Signals]) -> int:
    """A descriptor from which the signals that come can be read, one byte each."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return reading


def _start(orders: dict[str, Any], argv: list[str], scoped: bool, asking: Pair | None) -> NoReturn:
    try:
        parent = os.getppid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(FAILED)
        os.setpgid(0, 0)
        _prctl(_PR_SET_DUMPABLE, 1)  # Else what is said of it under /proc is root's to say.
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write(str(_FIRST_TO_DIE))
        _bound(orders["limits"])
        if orders["landlock"] is not None:
            _jail(**orders["landlock"])
        elif scoped:
            _wall_off(orders["parent"])
        if orders["bare"]:
            _drop_capabilities()
        _forget_signals()
        code = base64.b64decode(orders["seccomp"])
        if orders["hand_over"]:
            argv = [word if word != "@seccomp" else str(_handed(code)) for word in argv]
        elif asking is not None:
            install(code, asking[1])
        os.execvp(argv[0], argv)
    except BaseException as error:
        reason = getattr(error, "strerror", None) or str(error)
        _tell(orders["report"], "failed", reason)
    os._exit(FAILED)


def _bound(limits: dict[str, int]) -> None:
    for name, limit in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        if name == "NPROC":
            # The kernel counts all that the user runs, so it is a bound on what comes on top.
            limit += tasks_of(os.getuid())
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        # At the soft bound on time a program may clean up; a second later it is killed.
        ceiling = limit + 1 if name == "CPU" and (hard < 0 or hard > limit) else limit
        resource.setrlimit(kind, (limit, ceiling))


def _jail(read: Sequence[str], write: Sequence[str], network: bool) -> None:
    version = landlock_version()
    files = (1 << (13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16)) - 1
    tcp = _TCP if version >= 4 and not network else 0
    ruleset = _ruleset(files, tcp, _SCOPES if version >= 6 else 0)
    for paths, rights in ((read, _READING), (write, files & ~_NEVER)):
        for path in paths:
            _allow(ruleset, path, rights & files)
    _restrict(ruleset)


def _ruleset(files: int, tcp: int, scopes: int) -> int:
    parts = struct.pack("=QQQ", files, tcp, scopes)
    size = 24 if scopes else 16 if tcp else 8
    return _called("Landlock", _libc.syscall(_CREATE_RULESET, parts, size, 0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # Not there, or not for us to see: then nothing is allowed.
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, opened)
        _called(path, _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(opened)


def _restrict(ruleset: int) -> None:
    _called("Landlock", _libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _drop_capabilities() -> None:
    """Root without them is a user who owns root's files, and no more."""
    _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    if os.geteuid() == 0:
        for capability in range(64):
            if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
    header, none = struct.pack("=Ii", _CAPABILITIES, 0), bytes(24)
    _called("capset", _libc.syscall(_CAPSET[os.uname().machine], header, none))


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)


def _handed(code: bytes) -> int:
    """A descriptor from which the program that is started reads the filter."""
    reading, writing = os.pipe()
    os.write(writing, code)
    os.close(writing)
    os.set_inheritable(reading, True)
    return reading


def _leave(status: int) -> NoReturn:
    """End as the program did."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    _called("prctl", _libc.prctl(option, value, 0, 0, 0))


def _called(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
