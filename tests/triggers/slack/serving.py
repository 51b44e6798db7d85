"""`assay serve` in a process of its own, beside a stand-in for Slack; to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import aiohttp
import httpx

from .server import Body, SlackServer, request

PATIENCE = 120.0


class Serving:
    """Over a store in `folder`, which outlives it, with these variables besides."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = _free_port()
        self._environ = {
            "ASSAY_HOME": str(folder / "home"),
            "ASSAY_CHAT": "slack",
            "ASSAY_CHAT_ROLE": "operator",
            "ASSAY_RATE": "off",
            **environ,
        }
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What all its lives said to the standard error."""
        return (self.folder / "said").read_text()

    async def register(self, definition: Path) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            headers = {"content-type": "application/yaml"}
            content = definition.read_bytes()
            answer = await client.post("/v1/workflows", content=content, headers=headers)
            assert answer.status_code == 201, answer.text

    async def start(self) -> None:
        """Returns when it answers."""
        self._process = await self._begin("serve", "--port", str(self.port), "--grace", "0")
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        assert b"serving at" in line, f"{line!r}; {self.said}"

    async def end(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(with_signal)
            await asyncio.wait_for(self._process.wait(), PATIENCE)

    async def _begin(self, *words: str) -> asyncio.subprocess.Process:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        with (self.folder / "said").open("ab") as said:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "assay", *words),
                cwd=self.folder,
                env={**kept, **self._environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
            )


class OverHttp:
    """How Slack comes to a server: again, up to three times, when it is not answered well."""

    def __init__(self, slack: SlackServer, serving: Serving) -> None:
        self._url = f"{serving.url}/chat/slack"

    async def deliver(self, payload: Body, type: str = "events_api", *, times: int = 1) -> None:
        """So many times well, whatever becomes of the tries between."""
        waits = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=waits) as session, asyncio.timeout(2 * PATIENCE):
            for retry in count():  # the server may be about to start
                times -= await self._tried(session, payload, retry)
                if not times:
                    return

    async def _tried(self, session: aiohttp.ClientSession, payload: Body, retry: int) -> bool:
        headers, body = request(payload)
        if retry:
            headers |= {"x-slack-retry-num": str(retry), "x-slack-retry-reason": "http_error"}
        try:
            async with session.post(self._url, data=body, headers=headers) as answer:
                if answer.status == 200:
                    return True
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
        return False


class OverSocket:
    """How Slack comes to whoever has opened a socket."""

    def __init__(self, slack: SlackServer, serving: Serving) -> None:
        self._slack = slack

    async def deliver(self, payload: Body, type: str = "events_api", *, times: int = 1) -> None:
        await self._slack.deliver(payload, type, times=times)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
