"""Google's Firestore and Pub/Sub emulators: for `make emulators`, and one pair for a test run.

As a program it runs them until Ctrl-C or, with `--while-held FILE`, until nobody holds a lock
on that file any more. The kernel lets go of a dead process's locks: however a test run ends,
its emulators end, too.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

STARTED_WITHIN = 60.0
"""Seconds that an emulator may take until it answers."""

VARIABLES = {"firestore": "FIRESTORE_EMULATOR_HOST", "pubsub": "PUBSUB_EMULATOR_HOST"}
_JARS = {
    "firestore": "cloud-firestore-emulator/cloud-firestore-emulator.jar",
    "pubsub": "pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
}
_FIRESTORE = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_INSTALL = {
    "java": "a Java runtime (Debian: apt install default-jre-headless)",
    "firestore": "the Firestore emulator (gcloud components install cloud-firestore-emulator, "
    "or Google's Debian package google-cloud-cli-firestore-emulator)",
    "pubsub": "the Pub/Sub emulator (gcloud components install pubsub-emulator, "
    "or Google's Debian package google-cloud-cli-pubsub-emulator)",
}


@dataclass(frozen=True, slots=True)
class Emulators:
    """The addresses, `host:port`, of a running pair; empty where one was not asked for."""

    firestore: str = ""
    pubsub: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which Google's clients find them."""
        hosts = {"firestore": self.firestore, "pubsub": self.pubsub}
        return {VARIABLES[name]: host for name, host in hosts.items() if host}

    def answer(self) -> bool:
        """Whether there are any, and each of them answers."""
        return bool(self.environ) and all(map(_answers, self.environ.values()))


class Missing(Exception):
    """Says what to install."""


class NotStarted(Exception):
    """Says what an emulator said."""


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """The pair that the environment names, or one that every worker of this run shares."""
    named = Emulators(*(os.environ.get(variable, "") for variable in VARIABLES.values()))
    if named.environ:
        if len(named.environ) < len(VARIABLES) or not named.answer():
            pytest.fail(f"{' and '.join(VARIABLES.values())} must name two that run, or be unset")
        yield named
        return
    folder = tmp_path_factory.getbasetemp()
    try:
        with shared(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as pair:
            yield pair
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing}; in CI that is a failure", pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def emulated(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Emulators:
    """The pair, and for this test the environment that leads Google's clients to it.

    What the test asks of Firestore is held against the indexes that the real one will have.
    """
    from tests import indexes

    from assay.store.firestore.database import Database

    monkeypatch.setattr(Database, "watcher", indexes.check)
    for variable, host in emulators.environ.items():
        monkeypatch.setenv(variable, host)
    return emulators


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Emulators]:
    """One pair for every process that names this folder; it ends when the last has left."""
    state, keeper = folder / "emulators.json", None
    with _locked(folder / "emulators.held", fcntl.LOCK_SH) as held:
        with _locked(folder / "emulators.starting", fcntl.LOCK_EX):
            pair = Emulators(**json.loads(state.read_text())) if state.exists() else Emulators()
            if not pair.answer():
                pair, keeper = _kept(held)
                state.write_text(json.dumps({"firestore": pair.firestore, "pubsub": pair.pubsub}))
        yield pair
    if keeper is not None:
        _ended(keeper)


@contextlib.contextmanager
def private(folder: Path, name: str, port: int = 0) -> Iterator[str]:
    """One emulator of one's own, to be ended and started again at the same port; its address."""
    with _locked(folder / f"{name}.held", fcntl.LOCK_SH) as held:
        pair, keeper = _kept(held, "--only", name, "--port", str(port))
        yield pair.environ[VARIABLES[name]]
    _ended(keeper)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; 0 when told to end, 1 when one ended by itself, 3 when one is not installed."""
    parser = argparse.ArgumentParser(prog="make emulators", description=__doc__)
    parser.add_argument("--only", choices=VARIABLES, help="one of the two")
    parser.add_argument("--port", type=int, default=0, help="its port; a free one by default")
    parser.add_argument("--while-held", type=Path, metavar="FILE", help="end with its last lock")
    given = parser.parse_args(arguments)
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda *_: sys.exit(0))
    try:
        with contextlib.ExitStack() as stack:
            running = {
                name: stack.enter_context(_running(name, command, given.port))
                for name, command in _commands([given.only] if given.only else VARIABLES).items()
            }
            for name, emulator in running.items():
                sys.stdout.write(f"export {VARIABLES[name]}={emulator.host}\n")
            sys.stdout.flush()
            if given.while_held:
                stack.enter_context(_locked(given.while_held, fcntl.LOCK_EX))
                return 0
            while all(emulator.process.poll() is None for emulator in running.values()):
                time.sleep(0.5)
            return 1
    except KeyboardInterrupt:
        return 0
    except (Missing, NotStarted) as problem:
        sys.stderr.write(f"{problem}\n")
        return 3 if isinstance(problem, Missing) else 1


@dataclass(frozen=True, slots=True)
class _Emulator:
    host: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def _running(name: str, command: Sequence[str], port: int) -> Iterator[_Emulator]:
    """An emulator that answers. It dies with this process, even when that is killed."""
    port = port or _free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--host=127.0.0.1", f"--port={port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and we end it
            preexec_fn=_die_with_parent,
        )
        try:
            host, deadline = f"127.0.0.1:{port}", time.monotonic() + STARTED_WITHIN
            while not _answers(host):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    said = log.read()[-2000:].decode(errors="replace")
                    raise NotStarted(f"The {name} emulator did not start. It said:\n{said}")
                time.sleep(0.05)
            yield _Emulator(host, process)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=3)
            process.kill()
            process.wait()


def _commands(names: Iterable[str]) -> dict[str, list[str]]:
    """How to start each; all that is absent is said at once."""
    java = shutil.which("java")
    jars = {name: next(_jars(name), None) for name in names}
    absent = [_INSTALL[name] for name, jar in jars.items() if jar is None]
    if java is None or absent:
        needed = absent if java else [_INSTALL["java"], *absent]
        raise Missing(f"Google's emulators need {'; and '.join(needed)}")
    # They live for minutes: what a thorough compiler and many collecting threads cost is not
    # won back, and half of the processor goes to them instead of to the tests.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    program = {
        "firestore": [*quick, "-Xmx512m", "-Duser.language=en", "-cp"],
        "pubsub": [*quick, "-Xmx256m", "-jar"],
    }
    started_by = {"firestore": [_FIRESTORE, "start"], "pubsub": []}
    return {n: [java, *program[n], str(jar), *started_by[n]] for n, jar in jars.items()}


def _jars(name: str) -> Iterator[Path]:
    """Where gcloud keeps its components, and where Debian's packages put them."""
    gcloud = shutil.which("gcloud")
    roots = [Path(os.environ[r]) for r in ("CLOUDSDK_ROOT_DIR",) if os.environ.get(r)]
    roots += [Path(gcloud).resolve().parent.parent] if gcloud else []
    roots += [Path.home() / "google-cloud-sdk", Path("/usr/lib/google-cloud-sdk")]
    for root in roots:
        yield from (root / "platform").glob(_JARS[name])
    if dpkg := shutil.which("dpkg"):
        package = f"google-cloud-cli-{name}-emulator"
        listed = subprocess.run([dpkg, "-L", package], capture_output=True, text=True, check=False)
        yield from (p for p in map(Path, listed.stdout.split("\n")) if p.match(_JARS[name]))


def _kept(held: Path, *arguments: str) -> tuple[Emulators, subprocess.Popen[str]]:
    """Start this program beside the test run; it stays while the file is held."""
    command = [sys.executable, __file__, "--while-held", str(held), *arguments]
    with tempfile.TemporaryFile("w+") as said:
        keeper = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True
        )
        assert keeper.stdout
        with keeper.stdout as output:
            wanted = 1 if "--only" in arguments else len(VARIABLES)
            exports = [line for _ in range(wanted) if (line := output.readline())]
        if len(exports) < wanted:
            code = keeper.wait()
            said.seek(0)
            raise (Missing if code == 3 else NotStarted)(said.read().strip())
    hosts = dict(line.removeprefix("export ").strip().split("=") for line in exports)
    return Emulators(*(hosts.get(variable, "") for variable in VARIABLES.values())), keeper


def _ended(keeper: subprocess.Popen[str]) -> None:
    """When others still use the pair, it is theirs after a moment."""
    try:
        keeper.wait(timeout=10)
    except subprocess.TimeoutExpired:
        keeper.returncode = 0  # else Popen warns that it still runs


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[Path]:
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield path


def _answers(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Linux only; elsewhere an emulator outlives a keeper that is killed with SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    sys.exit(main())
