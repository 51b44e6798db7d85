"""Run as `python driver.py USER`: runs a program confined for each order, a line of its input.

A process of its own, so that an ordinary user can be tried from a test that root runs: what
it must import it imports first, then it is that user and nothing more. Around the program
stands what attacks are aimed at: another process, sockets, a terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import pty
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.graphs.errors import AssayError
from assay.graphs.processes import Stream, run_process
from assay.graphs.sandbox import Confinement, Hold, Rung
from assay.graphs.sandbox.places import system, tools


@dataclass
class Targets:
    """What a program may not reach; `variables` tell it where that is."""

    victim: subprocess.Popen[bytes]
    variables: Mapping[str, str]
    listeners: dict[str, socket.socket] = field(default_factory=dict)

    def reached(self) -> list[str]:
        """Which of it was reached all the same."""
        names = [name for name, listener in self.listeners.items() if _was_reached(listener)]
        return [*names, *(["victim"] if self.victim.poll() is not None else [])]


def main(user: int) -> None:
    if user != os.getuid():
        _become(user)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_follow(json.loads(line))) + "\n")
        sys.stdout.flush()


def _follow(order: Mapping[str, Any]) -> dict[str, Any]:
    with _targets(Path(order["outside"]) / "home") as targets:
        answer = asyncio.run(_run(order, targets.variables))
        return {**answer, "reached": targets.reached()}


def _become(user: int) -> None:
    """That user, without root's groups and with no capability left."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
    assert libc.syscall(number, struct.pack("=Ii", 0x20080522, 0), bytes(24)) == 0
    libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: its files under /proc are its own again.


@contextlib.contextmanager
def _targets(home: Path) -> Iterator[Targets]:
    for name in ("docker.sock", "log.sock"):
        (home / name).unlink(missing_ok=True)
    abstract = f"assay-test-{os.getpid()}"
    _ours, terminal = pty.openpty()
    victim = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "sleep", "300"],
        env={"PATH": os.defpath, "SECRET": "hush"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        variables = {
            "VICTIM": str(victim.pid),
            "DRIVER": str(os.getpid()),
            "PORT": str(port),
            "ABSTRACT": abstract,
            "TERMINAL": os.ttyname(terminal),
        }
        targets = Targets(victim, variables, {"tcp": tcp})
        for name, family, kind, address in (
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
            ("ipv6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", port)),
            ("file", socket.AF_UNIX, socket.SOCK_STREAM, str(home / "docker.sock")),
            ("log", socket.AF_UNIX, socket.SOCK_DGRAM, str(home / "log.sock")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + abstract),
        ):
            if family == socket.AF_INET6 and not socket.has_ipv6:
                continue
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen()
            targets.listeners[name] = listener
        yield targets


def _was_reached(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(100)
    except BlockingIOError:
        return False
    return True


async def _run(order: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    env = {"PATH": os.defpath, "LANG": "C.UTF-8", **order["env"], **variables}
    workspace = Path(order["workspace"])
    readable = [*system(), *tools(env), *map(Path, order["readable"])]
    confinement = Confinement(tuple(readable), (workspace,), **order["confinement"])
    hold = Hold(confinement, Rung[order["rung"]], order["grace"], order["python"])
    opened = os.open(order["open"], os.O_WRONLY | os.O_APPEND)
    os.set_inheritable(opened, True)
    try:
        return await _watched(order, workspace, env, hold)
    finally:
        os.close(opened)


async def _watched(
    order: Mapping[str, Any], workspace: Path, env: Mapping[str, str], hold: Hold
) -> dict[str, Any]:
    ready = asyncio.Event()

    def heard(stream: Stream, chunk: bytes) -> None:
        if b"ready" in chunk:
            sys.stderr.write("ready\n")
            ready.set()

    run = asyncio.ensure_future(
        run_process(order["argv"], cwd=workspace, env=env, on_output=heard, hold=hold)
    )
    if order["cancel"]:
        hears = asyncio.ensure_future(ready.wait())
        await asyncio.wait([run, hears], return_when=asyncio.FIRST_COMPLETED)
        run.cancel()
    try:
        ended = await run
    except asyncio.CancelledError:
        return {"error": "cancelled", "status": None, "said": ""}
    except AssayError as error:
        return {"error": error.message, "status": None, "said": ""}
    said = (ended.stdout + ended.stderr).decode(errors="replace")
    return {"error": "", "status": ended.exit_status, "said": said}


if __name__ == "__main__":
    main(int(sys.argv[1]))
