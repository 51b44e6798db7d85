"""A world with something to protect, and programs that are let loose in one corner of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.ladder import KEEPER
from assay.graphs.sandbox.probe import probe

HERE = Path(__file__).parent
NOBODY = 65534

RUNGS = (Rung.RLIMITS, Rung.JAIL, Rung.BUBBLEWRAP)


@dataclass(frozen=True)
class Ended:
    """How a program in the world ended, and what of the world outside it has reached."""

    said: str
    status: int | None
    error: str
    reached: Sequence[str]

    @property
    def out(self) -> bool:
        """Whether it says of itself that it got out."""
        return self.said.startswith("out")


def start_driver(user: int, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "driver.py"), str(user)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SECRET": "hush", **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Drivers:
    """One driver for each user, started when it is needed: starting takes most of the time."""

    def __init__(self) -> None:
        self._started: dict[int, subprocess.Popen[str]] = {}

    def ask(self, user: int, order: Mapping[str, Any]) -> Ended:
        """Have it follow an order; one that has died is replaced the next time."""
        if user not in self._started:
            self._started[user] = start_driver(user)
        driver = self._started[user]
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(json.dumps(order) + "\n")
        driver.stdin.flush()
        answer = driver.stdout.readline()
        if not answer:
            del self._started[user]
            pytest.fail(driver.communicate()[1] or f"the driver ended: {driver.returncode}")
        return Ended(**json.loads(answer))

    def close(self) -> None:
        for driver in self._started.values():
            driver.communicate()


@dataclass
class World:
    """A home with a secret, another workspace, and a workspace in which programs run."""

    folder: Path
    user: int
    rung: Rung
    drivers: Drivers
    confinement: dict[str, Any] = field(default_factory=dict)
    grace: float = 3.0
    mark: str = field(default_factory=lambda: f"assay-test-{uuid.uuid4().hex}")

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def attack(self, name: str, **order: Any) -> Ended:
        """Try one way out."""
        return self.run(self.attacking(name), **order)

    def attacking(self, name: str) -> list[str]:
        """What tries that way out; it can be told by its mark."""
        begin = "import sys; sys.path.insert(0, '.'); import attacks; attacks.main()"
        return [python(self.user), "-I", "-S", "-c", begin, name, self.mark]

    def run(self, argv: Sequence[str], **order: Any) -> Ended:
        """Run a program to its end."""
        return self.drivers.ask(self.user, self._order(argv, **order))

    def start(self, argv: Sequence[str], **order: Any) -> subprocess.Popen[str]:
        """Start a driver for a program; it says `ready` on its standard error when that does."""
        driver = start_driver(self.user, TMPDIR=str(self.folder / "tmp"))
        assert driver.stdin is not None
        driver.stdin.write(json.dumps(self._order(argv, **order)) + "\n")
        driver.stdin.flush()
        return driver

    def _order(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cancel: bool = False,
        readable: Sequence[Path] = (),
    ) -> dict[str, Any]:
        told = {"OUTSIDE": str(self.folder), "MARK": self.mark, "KEEPER": str(KEEPER)}
        return {
            "argv": list(argv),
            "rung": self.rung.name,
            "workspace": str(self.workspace),
            "outside": str(self.folder),
            "open": str(self.folder / "home" / "open"),
            "confinement": self.confinement,
            "readable": [str(self.folder / "bin"), *map(str, readable)],
            "env": {**told, **(env or {})},
            "grace": self.grace,
            "python": python(self.user),
            "cancel": cancel,
        }

    def state(self) -> dict[str, tuple[bytes, int]]:
        """Everything outside the workspace, to be compared."""
        outside = [p for top in ("home", "other", "bin") for p in (self.folder / top).rglob("*")]
        return {
            str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mode)
            for path in outside
            if not path.is_socket()
        }

    def left(self) -> list[int]:
        """Processes with the mark of this world that still run."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            alive = process.info["status"] != psutil.STATUS_ZOMBIE
            if alive and self.mark in (process.info["cmdline"] or ()):
                found.append(process.pid)
        return found


@cache
def python(user: int) -> str:
    """A Python that this user can start: the one of the tests may lie in somebody's home."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        who = {} if user == os.getuid() else {"user": user, "group": user}
        try:
            subprocess.run([candidate, "-I", "-S", "-c", ""], check=True, cwd="/", **who)  # type: ignore[call-overload]
        except (OSError, subprocess.SubprocessError):
            continue
        return candidate
    pytest.fail(f"user {user} can start no Python here; install python3")


def users() -> list[int]:
    """Whom tests can be: root, who can also be an ordinary user, or only oneself."""
    return [0, NOBODY] if os.getuid() == 0 else [os.getuid()]


def named(user: int) -> str:
    return "root" if user == 0 else "user"


def there(rung: Rung) -> bool:
    """Whether this machine has a rung. In CI it must: nothing of the table is left out."""
    footing = probe()[rung]
    if not footing.runs and os.environ.get("CI"):
        pytest.fail(f"{rung.label}: {footing.why_not}")
    return footing.runs


@pytest.fixture(scope="session")
def drivers() -> Iterator[Drivers]:
    drivers = Drivers()
    yield drivers
    drivers.close()


@pytest.fixture
def make_world(drivers: Drivers) -> Iterator[Any]:
    made: list[World] = []

    def make(rung: Rung, user: int, **confinement: Any) -> World:
        if rung is not Rung.NONE and not there(rung):
            pytest.skip(f"{rung.label}: {probe()[rung].why_not}")
        folder = Path(tempfile.mkdtemp(prefix="assay-world-"))
        world = World(folder, user, rung, drivers, confinement)
        made.append(world)
        folder.chmod(0o755)
        for name in ("home", "other", "workspace", "bin", "tmp"):
            (folder / name).mkdir(mode=0o755)
        (folder / "home" / "secret").write_text("hush")
        (folder / "home" / "open").write_text("")
        (folder / "other" / "secret").write_text("hush")
        (folder / "bin" / "readable").write_text("known")
        program = folder / "home" / "program"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        shutil.copytree(HERE / "attacks", world.workspace / "attacks")
        if os.getuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user)
            whoami = Path(shutil.copy("/usr/bin/id", folder / "bin" / "whoami"))
            os.chown(whoami, *((NOBODY, NOBODY) if user == 0 else (0, 0)))
            whoami.chmod(0o4755)
        return world

    yield make
    for world in made:
        for pid in world.left():
            psutil.Process(pid).kill()
        shutil.rmtree(world.folder, ignore_errors=True)
