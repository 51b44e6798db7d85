"""The other side of the platforms json and telegram, and a server of ours that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assay.api.app import open_app
from assay.api.serving import served

SECRET = "a secret of both sides"
TOKEN = "4242:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass
class Shown:
    """A message of the bot as it stands, and how often it was changed."""

    id: str
    thread: str
    text: str
    buttons: Sequence[Mapping[str, Any]]
    changes: int = 0


@dataclass
class Side:
    """Keeps what the bot shows. `refuse` are answers that it gives first instead."""

    messages: dict[str, Shown] = field(default_factory=dict)
    refuse: list[Response] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    shown: int = 0
    """How often anything was posted or changed."""
    url: str = ""

    def show(
        self, id: str, thread: str, text: str, buttons: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.shown += 1
        before = self.messages.get(id)
        changes = 0 if before is None else before.changes + 1
        self.messages[id] = Shown(id, thread, text, buttons, changes)
        self.changed.set()

    def saying(self, text: str, thread: str | None = None) -> list[Shown]:
        every = self.messages.values()
        return [m for m in every if text in m.text and thread in (None, m.thread)]

    async def shows(self, text: str, thread: str | None = None, *, seconds: float = 60) -> Shown:
        """The first that says so now, or as soon as one does."""
        return (await self.until(lambda: self.saying(text, thread), seconds))[0]

    async def shows_more(self, times: int) -> None:
        """Until so many messages were posted or changed from now on."""
        times += self.shown
        await self.until(lambda: [*self.messages.values()] if self.shown >= times else [])

    async def until(self, found: Callable[[], list[Shown]], seconds: float = 60) -> list[Shown]:
        try:
            async with asyncio.timeout(seconds):
                while not (there := found()):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            said = "\n".join(f"{m.id} {m.thread}: {m.text}" for m in self.messages.values())
            raise AssertionError(f"it was never shown; there is:\n{said}") from None
        return there


class JsonSide(Side):
    """A program that speaks JSON; a key that comes again is the same message."""

    async def take(self, request: Request) -> Response:
        body = await request.body()
        Webhook(SECRET.encode()).verify(body, dict(request.headers))
        if self.refuse:
            return self.refuse.pop(0)
        said = orjson.loads(body)
        self.called.append(said["type"])
        if said["type"] == "post":
            id = said["key"]
            if id not in self.messages:
                self.show(id, said["thread"], said["text"], said["buttons"])
            return JSONResponse({"id": id})
        self.show(said["message"], said["thread"], said["text"], said["buttons"])
        return JSONResponse({})


class TelegramSide(Side):
    """The few methods of Telegram's Bot API that the bot calls."""

    async def take(self, request: Request) -> Response:
        method, said = request.path_params["method"], await request.json()
        if request.path_params["token"] != TOKEN:
            return JSONResponse({"ok": False, "description": "Unauthorized"}, 401)
        if self.refuse:
            return self.refuse.pop(0)
        self.called.append(method)
        buttons = [b for row in said["reply_markup"]["inline_keyboard"] for b in row]
        assert said["parse_mode"] == "HTML"
        assert len(said["text"]) <= 4096
        if method == "sendMessage":
            id = str(len(self.messages) + 1)
        else:
            id = str(said["message_id"])
            before = self.messages[id]
            if (before.text, before.buttons) == (said["text"], buttons):
                told = {"ok": False, "description": "Bad Request: message is not modified"}
                return JSONResponse(told, 400)
        self.show(id, str(said["chat_id"]), said["text"], buttons)
        return JSONResponse({"ok": True, "result": {"message_id": int(id)}})


@asynccontextmanager
async def json_side() -> AsyncIterator[JsonSide]:
    side = JsonSide()
    app = Starlette(routes=[Route("/bot", side.take, methods=["POST"])])
    async with served(app, "127.0.0.1:0") as url:
        side.url = f"{url}/bot"
        yield side


@asynccontextmanager
async def telegram_side() -> AsyncIterator[TelegramSide]:
    side = TelegramSide()
    app = Starlette(routes=[Route("/bot{token}/{method}", side.take, methods=["POST"])])
    async with served(app, "127.0.0.1:0") as url:
        side.url = url
        yield side


class Server:
    """`assay serve` in a process of its own, to be killed and started again at the same port."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", timeout=60)

    async def register(self, *documents: Mapping[str, Any]) -> None:
        """Before it is started."""
        async with open_app(home=self._folder / ".assay", workspace=self._folder) as app:
            for document in documents:
                await app.register(document)

    async def start(self) -> None:
        """Returns when it answers."""
        with (self._folder / "said").open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from assay.api.cli import main; main()"),
                *("serve", f"--port={self._port}", "--grace=0"),
                cwd=self._folder,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")},
                    **self._environ,
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert b"serving at" in line, (self._folder / "said").read_text()

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(how)
            await self._process.communicate()

    async def again(self) -> None:
        await self.kill()
        await self.start()

    async def close(self) -> None:
        await self.kill()
        await self._client.aclose()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return await self._client.post(path, content=body, headers=dict(headers))

    async def said(self, id: str, text: str, thread: str = "1", **more: Any) -> httpx.Response:
        """A message on the platform json, signed."""
        who = {"id": "ada", "name": "Ada"}
        message = {"type": "message", "id": id, "person": who, "channel": "c", "thread": thread}
        return await self.signed({**message, "text": text, **more})

    async def clicked(self, id: str, value: str, thread: str = "1") -> httpx.Response:
        who = {"id": "ada", "name": "Ada"}
        click = {"type": "action", "id": id, "person": who, "channel": "c", "thread": thread}
        return await self.signed({**click, "value": value})

    async def signed(self, said: Mapping[str, Any]) -> httpx.Response:
        body, now = orjson.dumps(said), datetime.now(UTC)
        headers = {
            "webhook-id": "m",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET.encode()).sign("m", now, body.decode()),
        }
        return await self.post("/chat/json", body, headers)

    async def executions(self, workflow: str) -> list[Mapping[str, Any]]:
        """Oldest first."""
        answer = await self._client.get("/v1/executions", params={"workflow": workflow})
        items: list[Mapping[str, Any]] = answer.json()["items"]
        return items[::-1]

    async def send(self, event: str) -> None:
        answer = await self._client.post("/v1/events", json={"name": event})
        assert answer.status_code < 300, answer.text


def of_json(side: JsonSide, role: str = "operator") -> dict[str, str]:
    """What a server needs to know of the platform json."""
    return {
        "ASSAY_CHAT": "json",
        "ASSAY_CHAT_ROLE": role,
        "ASSAY_SECRET_CHAT": SECRET,
        "ASSAY_JSON_SECRET": "secret://chat",
        "ASSAY_JSON_URL": side.url,
    }
