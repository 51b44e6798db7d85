"""Which rungs this machine has: each is tried once, with a program that tries to get out."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .claims import Claim, closed, lost
from .confinement import Confinement, Rung
from .ladder import Hold, with_tools
from .seccomp import MACHINES

_SECONDS = 20
_LANDLOCK = 3
"""Below this version a file outside could be emptied."""

_PROGRAM = """
import os, sys
inside, outside, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
open(inside, "w").close()
os.chmod(inside, 0o600)
out = []
def tries(way, act):
    try:
        act()
    except OSError:
        return
    out.append(way)
def connect():
    import socket
    with socket.socket() as tried:
        tried.settimeout(5)
        tried.connect(("127.0.0.1", port))
tries("read a file", lambda: open(outside).read())
tries("", lambda: open(outside, "w").close())
tries("open a connection", connect)
print(*filter(None, out), sep=" and ")
"""


@dataclass(frozen=True, slots=True)
class Footing:
    """One rung on this machine: what it closes, and what it would close on a newer kernel.

    `why_not` says in a sentence why it does not run here, and how to get it.
    """

    rung: Rung
    closes: Sequence[Claim] = ()
    lost: Sequence[str] = ()
    why_not: str = ""

    @property
    def runs(self) -> bool:
        return not self.why_not


@cache
def probe() -> Mapping[Rung, Footing]:
    """Every rung but NONE, as it is here. Takes a fraction of a second, once; never raises."""
    landlock = _landlock()
    return {rung: _tried(rung, landlock) for rung in (Rung.RLIMITS, Rung.JAIL, Rung.BUBBLEWRAP)}


def best() -> Rung:
    """The highest rung that runs here."""
    return max((rung for rung, footing in probe().items() if footing.runs), default=Rung.NONE)


def _tried(rung: Rung, landlock: int) -> Footing:
    missing = {Rung.JAIL: lambda: _no_jail(landlock), Rung.BUBBLEWRAP: _no_bubblewrap}
    why_not = missing.get(rung, _no_keeper)()
    if not why_not:
        try:
            why_not = _try(rung)
        except Exception as error:
            why_not = f"trying it failed: {error}"
    if why_not:
        return Footing(rung, why_not=why_not)
    return Footing(rung, tuple(closed(rung, landlock)), tuple(lost(rung, landlock)))


def _try(rung: Rung) -> str:
    """Why the rung does not hold; empty when it does."""
    with tempfile.TemporaryDirectory(prefix="assay-probe-") as folder, socket.socket() as server:
        inside, outside = Path(folder, "inside"), Path(folder, "outside")
        inside.mkdir()
        outside.write_text("outside")
        server.bind(("127.0.0.1", 0))
        server.listen()
        argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(inside / "file"), str(outside)]
        env = {"PATH": os.environ.get("PATH", os.defpath)}
        hold = Hold(with_tools(Confinement(writable=(inside,)), env), rung)
        with hold.around([*argv, str(server.getsockname()[1])], env, inside) as start:
            assert start.report is not None
            ended = subprocess.run(
                start.argv,
                cwd=inside,
                env=start.env,
                pass_fds=[start.report.descriptor],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                start_new_session=True,
                text=True,
            )
            if (failed := start.report.error(sys.executable)) is not None:
                return str(failed)
        emptied = outside.read_text() == ""
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"]
        return f"a program could not be started on it: {said[-1]}"
    got_out = ended.stdout.strip() or ("write a file" if emptied else "")
    return f"it did not hold: a program could {got_out}" if got_out and rung > Rung.RLIMITS else ""


def _no_keeper() -> str:
    return "" if sys.platform == "linux" else f"it is made for Linux, and this is {sys.platform}"


def _no_jail(landlock: int) -> str:
    machine = os.uname().machine
    if why_not := _no_keeper():
        return why_not
    if machine not in MACHINES:
        return f"its filter of system calls is not made for {machine}"
    if landlock == 0:
        return "this kernel has no Landlock, or does not let us use it; Linux 6.2 has what it needs"
    if landlock < _LANDLOCK:
        return (
            f"this kernel's Landlock is of version {landlock}, in which files outside could be "
            "emptied; Linux 6.2 has what it needs"
        )
    return ""


def _no_bubblewrap() -> str:
    if why_not := _no_keeper():
        return why_not
    if os.uname().machine not in MACHINES:
        return f"its filter of system calls is not made for {os.uname().machine}"
    if shutil.which("bwrap", path=os.defpath) is None:
        return "bubblewrap is not installed; install the package bubblewrap"
    return ""


def _landlock() -> int:
    if sys.platform != "linux":
        return 0
    try:
        call: Callable[..., int] = ctypes.CDLL(None).syscall
        return max(0, call(444, None, 0, 1))
    except (AttributeError, OSError):
        return 0
