"""`assay serve` in a process of its own, to be killed and started again at the same port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

_PATIENCE = 60.0
"""Seconds to start or to end in, on a machine that does much else."""

_FUNCTIONS = '''"""What the workflows of the torture call."""

import asyncio


async def work(value, takes=0.0):
    await asyncio.sleep(takes)
    return value


def fail_until(path, times):
    with open(path, "a+") as file:
        file.seek(0)
        tries = len(file.read())
        file.write("x")
    if tries < times:
        raise ValueError(f"failed {tries + 1} times")
    return tries
'''


class Server:
    """Over a store in `folder`, which outlives it; nobody gets in without `key`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.key = ""
        self.lives = 0
        self._process: asyncio.subprocess.Process | None = None
        (folder / "workspace").mkdir()
        functions = folder / "functions"
        about = functions / "torture-1.dist-info"
        about.mkdir(parents=True)
        (functions / "torture_functions.py").write_text(_FUNCTIONS)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torture\nVersion: 1\n")
        (about / "entry_points.txt").write_text(
            "[assay.functions]\n"
            "work = torture_functions:work\n"
            "fail_until = torture_functions:fail_until\n"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'home' / 'assay.db'}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """What all its lives said to the standard error."""
        file = self.folder / "said"
        return file.read_text() if file.exists() else ""

    async def make_key(self) -> None:
        process = await self._run(
            "keys", "create", "torture", "--role", "admin", stdout=asyncio.subprocess.PIPE
        )
        told, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
        self.key = next(word for word in told.decode().split() if word.startswith("assay_"))

    async def start(self) -> None:
        """Returns when it answers."""
        self._process = await self._run(
            *("serve", "--port", str(self.port), "--grace", "0"), stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE)
        if b"serving at" not in line:
            raise AssertionError(f"the server does not start: {line!r}; {self.said}")
        self.lives += 1

    async def end(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(with_signal)
        await asyncio.wait_for(self._process.wait(), _PATIENCE)

    async def _run(self, *words: str, stdout: int) -> asyncio.subprocess.Process:
        path = os.pathsep.join(filter(None, (str(self.folder / "functions"), *sys.path)))
        with (self.folder / "said").open("ab") as said:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "assay", *words),
                cwd=self.folder / "workspace",
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "ASSAY_HOME": str(self.folder / "home"),
                    "ASSAY_RATE": "off",
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=said,
            )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
