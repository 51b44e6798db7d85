"""A cgroup (version 2) for one program, on machines that let us make one."""

from __future__ import annotations

import contextlib
import os
import uuid
from functools import cache
from pathlib import Path

_NEEDED = {"cpu", "memory"}
_PERIOD = 100_000
"""Microseconds over which the kernel shares out CPU time; its own default."""

_MARGIN = 16 * 1024 * 1024


class Cgroup:
    """Bounds that the kernel keeps: CPU exactly, memory as a backstop.

    The memory bound lies an eighth and 16 MiB above the limit: the kernel also counts what
    it holds on the program's behalf, and the same limit shall mean the same everywhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def around(leader: int, memory: int | None, cpu: float | None) -> Cgroup | None:
        """Put the process into a new cgroup with these bounds (bytes, cores); None: cannot."""
        home = usable()
        if home is None:
            return None
        cgroup = Cgroup(home / f"assay-{uuid.uuid4().hex}")
        try:
            cgroup._make(memory, cpu)
            cgroup.admit(leader)
        except OSError:
            cgroup.remove()
            return None
        return cgroup

    def _make(self, memory: int | None, cpu: float | None) -> None:
        self._folder.mkdir()
        if cpu is not None:
            self._write("cpu.max", f"{max(1000, round(cpu * _PERIOD))} {_PERIOD}")
        if memory is not None:
            self._write("memory.max", str(memory + memory // 8 + _MARGIN))
            self._write("memory.oom.group", "1")
            with contextlib.suppress(FileNotFoundError):
                self._write("memory.swap.max", "0")

    def admit(self, pid: int) -> None:
        """Move a process in; what it starts afterwards is born there. Raises `OSError`."""
        self._write("cgroup.procs", str(pid))

    def ran_out(self) -> bool:
        """Whether the kernel has killed it for its memory."""
        events = dict(line.split() for line in self._read("memory.events").splitlines())
        return int(events.get("oom_kill", 0)) > 0

    def peak(self) -> int:
        """Bytes held at most, with the kernel's own; 0 where it does not say."""
        return int(self._read("memory.peak") or 0)

    def remove(self) -> None:
        """Take it away, unless a daemon stays in it."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _write(self, name: str, text: str) -> None:
        # Never create: a file that is missing is a bound that would not hold.
        with open(self._folder / name, "r+") as file:
            file.write(text)

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except OSError:
            return ""


@cache
def usable() -> Path | None:
    """The cgroup in which we may make others that bound CPU and memory, if there is one.

    It is our own only at the root of the machine, since no other holds both processes and
    bounded cgroups; else the one above, when systemd has delegated it to us (`Delegate=yes`
    with `DelegateSubgroup=`). Nothing is moved and nobody else's cgroup is touched.
    """
    own = _own()
    if own is None:
        return None
    return next((place for place in (own, own.parent) if _bounds(place, own)), None)


def _bounds(place: Path, own: Path) -> bool:
    if place != own and not _delegated(place):
        return False
    control = place / "cgroup.subtree_control"
    try:
        if not set(control.read_text().split()) >= _NEEDED:
            control.write_text(" ".join(f"+{name}" for name in sorted(_NEEDED)))
    except OSError:
        return False
    return os.access(place, os.W_OK)


def _delegated(place: Path) -> bool:
    try:
        return os.getxattr(place, "user.delegate") == b"1"
    except OSError:
        return False


def _own() -> Path | None:
    """The folder of the cgroup that this process is in."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        memberships = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    mount = next((m for m in mounts if m[m.index("-") + 1] == "cgroup2"), None)
    path = next((line[3:] for line in memberships if line.startswith("0::")), None)
    if mount is None or path is None or not Path(path).is_relative_to(mount[3]):
        return None
    return Path(mount[4]) / Path(path).relative_to(mount[3])
