"""How a program is started on each rung."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import places
from .confinement import Confinement, Rung
from .report import Report
from .seccomp import INET, INET6, NETLINK, UNIX, seccomp

KEEPER = Path(__file__).parent / "keeper" / "__init__.py"

_BEGIN = f"import sys; sys.path.append({str(KEEPER.parents[1])!r}); import keeper; keeper.main()"

_PROGRAM = "bwrap"
_INTERNET = (INET, INET6, NETLINK)
_PLACE = "/tmp"
_NOTHING = "nothing"


GRACE = 3.0
"""Seconds between TERM and KILL."""


@dataclass(frozen=True, slots=True)
class Start:
    """What to start, with which variables, and where its keeper reports, if it has one."""

    argv: Sequence[str]
    env: Mapping[str, str]
    report: Report | None = None


_Way = tuple[str, dict[str, Any], Sequence[str]]
"""Where the program's own folder appears, what its keeper is ordered, and what that starts."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a program is held to, on which rung; `grace` is seconds.

    `python` starts the keeper, which needs nothing but the standard library.
    """

    confinement: Confinement
    rung: Rung
    grace: float = GRACE
    python: str = sys.executable

    @contextlib.contextmanager
    def around(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> Iterator[Start]:
        """What to start instead.

        From the jail upwards the program has a folder of its own for HOME and TMPDIR, which
        is gone afterwards.
        """
        if self.rung is Rung.NONE:
            yield Start(argv, env)
            return
        report = Report()
        with contextlib.closing(report):
            yield from self._kept_around(argv, env, cwd, report)

    def _kept_around(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, report: Report
    ) -> Iterator[Start]:
        if self.rung is Rung.RLIMITS:
            yield Start(self._kept(argv, report), env, report)
        else:
            own = Path(tempfile.mkdtemp(prefix="assay-")).resolve()
            try:
                for name in ("home", "shm", _NOTHING):
                    (own / name).mkdir()
                start = self._jailed if self.rung is Rung.JAIL else self._wrapped
                place, orders, command = start(argv, own, cwd)
                given = {**env, "TMPDIR": place, "HOME": f"{place}/home"}
                yield Start(self._kept(command, report, own=str(own), **orders), given, report)
            finally:
                _remove(own)

    def _jailed(self, argv: Sequence[str], own: Path, cwd: Path) -> _Way:
        readable = [*self.confinement.readable, *places.machine()]
        network = self.confinement.network == "any"
        writable = [str(path) for path in (*self.confinement.writable, own)]
        landlock = {
            "read": [str(path) for path in readable],
            "write": [*writable, *map(str, places.devices())],
            "network": network,
        }
        families = _INTERNET if network else ()
        code = seccomp(os.uname().machine, families, shared=True)
        orders = {"landlock": landlock, "seccomp": _text(code), "attributes": writable}
        return str(own), orders, argv

    def _wrapped(self, argv: Sequence[str], own: Path, cwd: Path) -> _Way:
        wrapper = shutil.which(_PROGRAM, path=os.defpath) or _PROGRAM
        network = self.confinement.network == "any"
        # On the machine's own network an abstract socket of somebody else's could be reached.
        families = _INTERNET if network else (*_INTERNET, UNIX)
        code = seccomp(os.uname().machine, families, shared=False)
        command = [wrapper, *_namespaces(network), *self._mounts(own)]
        command += ["--chdir", str(cwd), "--seccomp", "@seccomp", "--", *argv]
        return _PLACE, {"seccomp": _text(code), "hand_over": True, "frames": 2}, command

    def _mounts(self, own: Path) -> Iterator[str]:
        yield from ("--proc", "/proc", "--dev", "/dev", "--bind", str(own / "shm"), "/dev/shm")
        yield from ("--bind", str(own), _PLACE)
        for option, paths in (
            ("--ro-bind", self.confinement.readable),
            ("--bind", self.confinement.writable),
        ):
            for path in sorted(filter(os.path.exists, paths)):
                yield from (option, str(path), str(path))
        for path in filter(os.path.isdir, self.confinement.hidden):
            yield from ("--ro-bind", str(own / _NOTHING), str(path))
        # Two live in memory that nobody counts; in the third, root could still turn the
        # kernel's own knobs, for its files are root's in every namespace.
        for mounted in ("/dev", "/", "/proc"):
            yield from ("--remount-ro", mounted)

    def _kept(self, argv: Sequence[str], report: Report, **orders: Any) -> list[str]:
        given = {
            "report": report.descriptor,
            "processes": self.confinement.processes or 0,
            "parent": os.getpid(),
            "grace": self.grace,
            "limits": dict(_limits(self.confinement)),
            "own": "",
            "landlock": None,
            "attributes": [],
            "seccomp": "",
            "hand_over": False,
            "frames": 0,
            # bubblewrap drops root's itself, once it has made its namespaces with them.
            "bare": self.rung is Rung.JAIL or os.geteuid() != 0,
            **orders,
        }
        return [self.python, "-I", "-S", "-c", _BEGIN, json.dumps(given), *argv]


def with_tools(confinement: Confinement, environ: Mapping[str, str]) -> Confinement:
    """The confinement with what programs of this machine need to run at all."""
    needed = {*confinement.readable, *places.system(), *places.tools(environ)}
    return replace(confinement, readable=tuple(sorted(needed)))


def _remove(folder: Path) -> None:
    """Also what the program has made unreadable."""
    for above, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _namespaces(network: bool) -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts")
    yield from ("--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL")
    if not network:
        yield "--unshare-net"


def _limits(confinement: Confinement) -> Iterator[tuple[str, int]]:
    yield "CORE", 0
    named = {
        "CPU": confinement.cpu_seconds,
        # The kernel counts threads; the keeper counts processes, and comes first.
        "NPROC": None if confinement.processes is None else 4 * confinement.processes,
        "NOFILE": confinement.open_files,
        "FSIZE": confinement.file_size,
    }
    yield from ((name, limit) for name, limit in named.items() if limit is not None)


def _text(code: bytes) -> str:
    return base64.b64encode(code).decode()
