"""A process that has imported everything, and forks a child for each life of an execution.

A new interpreter takes seconds to import the product, a fork of one that has takes milliseconds.
`ForkServer` is the tests' end of it; `python -m tests.durability.forkserver FD` is the process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from assay.graphs.expressions import default_engine

HOUSE = Path(__file__).resolve().parents[2]

LIFETIME = 100
"""Seconds after which a child is ended by the kernel, whatever became of who started it."""

PATIENCE = 60.0
"""Seconds to wait for a child's next word."""

PRELOADED = (
    "assay.api.app",
    "assay.agents.conversation",
    "assay.agents.demo.model",
    "assay.agents.runner",
    "assay.graphs.expressions.cel",
    "assay.graphs.providers.langgraph",
    "assay.store.sqlite.checkpoints",
    "assay.store.sqlite.store",
    "anyio._backends._asyncio",
    "h11",
    "httpcore",
    "httpx",
    "langchain.agents",
    "langchain_openai",
    "tests.durability.timers",
)


class ForkServer:
    """Forks children that run a program: a function of this package, by its name."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=HOUSE,
                pass_fds=[theirs.fileno()],
            )
        self._lock = threading.Lock()
        self._heard = self._control.makefile("rb")
        if self._heard.readline() != b"ready\n":
            raise RuntimeError("the fork server did not come up")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; its children end by themselves."""
        self._heard.close()
        self._control.close()
        self._process.wait()

    def fork(self, program: str, log: Path, **arguments: Any) -> Child:
        """Begin `program` (`module:function` of this package) in a child.

        Its standard error goes to the end of `log`.
        """
        mouth, ear = os.pipe()
        try:
            request = {"program": program, "log": str(log), "arguments": arguments}
            pid = self._ask(request, ear)
        finally:
            os.close(ear)
        return Child(self, pid, mouth, log)

    def reap(self, pid: int) -> int:
        """The exit status of a child that has ended; negative: the signal that ended it."""
        return self._ask({"reap": pid})

    def _ask(self, request: Mapping[str, Any], *files: int) -> int:
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            socket.send_fds(self._control, [line], files)
            return int(self._heard.readline())


class Child:
    """A forked child. Its pid stays its own until `end` has returned."""

    def __init__(self, server: ForkServer, pid: int, mouth: int, log: Path) -> None:
        self.pid = pid
        self._server = server
        self._mouth = mouth
        self._log = log
        self._said = b""
        self._status: int | None = None

    def hear(self, timeout: float = PATIENCE) -> str | None:
        """The next line that it says; None when it has ended. Raises `TimeoutError`."""
        while b"\n" not in self._said:
            ready, _, _ = select.select([self._mouth], [], [], timeout)
            if not ready:
                self.end(0)
                raise TimeoutError(f"child {self.pid} said nothing for {timeout:g} s\n{self.log}")
            piece = os.read(self._mouth, 65536)
            if not piece:
                return None
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def kill(self) -> None:
        """End it as the kernel would. Harmless when it has ended by itself."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)

    def end(self, timeout: float = PATIENCE) -> int:
        """Wait for its end, no longer than that; its exit status, negative: a signal."""
        if self._status is None:
            try:
                while timeout > 0 and self.hear(timeout) is not None:
                    pass
            finally:
                if self._status is None:
                    if timeout <= 0:
                        self.kill()
                    self._status = self._server.reap(self.pid)
                    os.close(self._mouth)
        return self._status

    @property
    def log(self) -> str:
        """What it and earlier ones wrote to standard error."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class Voice:
    """A child's way to tell its parent something."""

    def __init__(self, file: int) -> None:
        self._file = file

    def say(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


def serve(control: socket.socket) -> None:
    """Fork and reap as asked, until nobody can ask any more."""
    for module in PRELOADED:
        importlib.import_module(module)
    default_engine()  # CEL takes a tenth of a second to come up
    if threading.active_count() > 1:
        raise RuntimeError(f"importing has begun threads: {threading.enumerate()}")
    gc.collect()
    gc.freeze()
    control.sendall(b"ready\n")
    said = b""
    files: list[int] = []
    while True:
        data, more, _, _ = socket.recv_fds(control, 65536, 1)
        if not data:
            return
        said += data
        files += more
        if not said.endswith(b"\n"):
            continue
        request, said = json.loads(said), b""
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                control.close()
                _live(request, Voice(files[0]))
            os.close(files.pop())
        control.sendall(b"%d\n" % answer)


def _live(request: Mapping[str, Any], voice: Voice) -> NoReturn:
    """Everything a child does; it leaves without the ends that its parent owes."""
    status = 1
    try:
        signal.alarm(LIFETIME)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 2)
        module, _, name = request["program"].partition(":")
        program = getattr(importlib.import_module(f"tests.durability.{module}"), name)
        program(voice, **request["arguments"])
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
