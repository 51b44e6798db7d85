"""A stand-in for Slack's server on this machine: its Web API, its sockets, and its requests.

It is as strict as Slack about what an app may post, and can be told to be busy, to break, to
lose answers and connections, and to deliver twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from .limits import fault

T = TypeVar("T")
Body = dict[str, Any]

BOT, TEAM, SECRET = "UBOT", "T1", "8f742231b10e8888abcd99yyyzzz85a5"
PATIENCE = 60.0


@dataclass
class Posted:
    """A message as people see it; `versions` is every text that it had."""

    channel: str
    ts: str
    thread: str = ""
    text: str = ""
    blocks: list[Body] = field(default_factory=list)
    metadata: Body = field(default_factory=dict)
    only: str = ""
    streaming: bool = False
    versions: list[str] = field(default_factory=list)

    @property
    def buttons(self) -> dict[str, str]:
        """The values of its buttons, by label."""
        elements = [e for b in self.blocks if b["type"] == "actions" for e in b["elements"]]
        return {element["text"]["text"]: element["value"] for element in elements}

    @property
    def shown(self) -> str:
        """All that can be read in it."""
        texts = [b["text"]["text"] for b in self.blocks if "text" in b]
        fields = [f["text"] for b in self.blocks for f in b.get("fields", ())]
        return "\n".join([*texts, *fields]) or self.text


class SlackServer:
    """What one workspace sees. `posted` are the messages of the bot, by time.

    By method: `busy` are the seconds that the next calls are told to wait, after as many
    `answers`; `broken` is how many fail, `lost` how many are done and not answered; `refused`
    holds the word for what is never done.
    """

    def __init__(self) -> None:
        self.url = ""
        self.posted: list[Posted] = []
        self.calls: list[tuple[str, Body]] = []
        self.busy: dict[str, list[int]] = {}
        self.answers: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.acknowledged: Counter[str] = Counter()
        self.waiting: dict[str, Body] = {}
        self._ts = time.time()
        self._changed = asyncio.Condition()

    @property
    def environ(self) -> dict[str, str]:
        """What Assay is told; a test adds a signing secret or an app token."""
        return {"ASSAY_SLACK_BOT_TOKEN": "xoxb-1", "ASSAY_SLACK_URL": self.url}

    def ts(self) -> str:
        """A time that no other message has."""
        self._ts += 0.001
        return f"{self._ts:.6f}"

    def asked(self, method: str) -> list[Body]:
        return [params for name, params in self.calls if name == method]

    async def until(self, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """What `look` finds, as soon as there is something true to find."""
        found: list[T] = []

        def there() -> bool:
            seen = look()
            if seen:
                found.append(seen)
            return bool(seen)

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(there), seconds)
            except TimeoutError:
                shown = "\n".join(f"{m.thread} {m.shown!r}" for m in self.posted)
                raise AssertionError(f"it never came; posted were:\n{shown}") from None
        return found[0]

    async def says(self, text: str, *, thread: str | None = None) -> Posted:
        """A message of the bot with that text in it."""
        return await self.until(
            lambda: next(
                (m for m in self.posted if text in m.shown and thread in (None, m.thread)), None
            )
        )

    async def deliver(self, payload: Body, type: str = "events_api", *, times: int = 1) -> str:
        """Over a socket, again at the next one as long as nobody says that it was taken."""
        envelope_id = f"envelope-{self.ts()}"
        envelope = {"envelope_id": envelope_id, "type": type, "payload": payload}
        self.waiting[envelope_id] = envelope | {"accepts_response_payload": True}
        await self.until(lambda: self.sockets)
        for attempt in range(times):
            await self._send(self.waiting[envelope_id] | {"retry_attempt": attempt})
        await self.until(lambda: self.acknowledged[envelope_id] >= times)
        return envelope_id

    async def drop(self) -> None:
        """Every socket breaks, without a word."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            assert socket._req is not None
            transport = socket._req.transport
            if transport is not None:
                transport.abort()

    async def rotate(self) -> None:
        """Slack asks every app to connect anew, as it does now and then."""
        for socket in self.sockets:
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def _send(self, envelope: Body) -> None:
        for socket in self.sockets[-1:]:
            await socket.send_json(envelope)

    async def note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets)})
        await self.note()
        for envelope in list(self.waiting.values()):
            await socket.send_json(envelope)
        async for said in socket:
            if said.type == aiohttp.WSMsgType.TEXT:
                envelope_id = json.loads(said.data)["envelope_id"]
                self.acknowledged[envelope_id] += 1
                self.waiting.pop(envelope_id, None)
                await self.note()
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        params = await _params(request)
        self.calls.append((method, params))
        if self.answers[method]:
            self.answers[method] -= 1
        elif waits := self.busy.get(method):
            headers = {"Retry-After": str(waits.pop(0))}
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers=headers
            )
        elif self.broken[method]:
            self.broken[method] -= 1
            return web.Response(status=503, text="no healthy upstream")
        answer = self._answer(method, params)
        await self.note()
        if self.lost[method]:
            self.lost[method] -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer)

    def _answer(self, method: str, params: Body) -> Body:
        if why := self.refused.get(method) or fault(method, params):
            return {"ok": False, "error": why}
        handler: Callable[[Body], Body] | None = getattr(self, _handler(method), None)
        return handler(params) if handler else {"ok": False, "error": "unknown_method"}

    def auth_test(self, params: Body) -> Body:
        return {"ok": True, "user_id": BOT, "team_id": TEAM, "bot_id": "B1"}

    def apps_connections_open(self, params: Body) -> Body:
        if not params["token"].startswith("xapp-"):
            return {"ok": False, "error": "not_allowed_token_type"}
        return {"ok": True, "url": f"{self.url.replace('http', 'ws')}socket?ticket={self.ts()}"}

    def chat_postmessage(self, params: Body) -> Body:
        return self._post(params)

    def chat_postephemeral(self, params: Body) -> Body:
        ts = self._post(params | {"metadata": {}}, only=params["user"])["ts"]
        return {"ok": True, "message_ts": ts}

    def chat_update(self, params: Body) -> Body:
        if (message := self._at(params)) is None or message.only:
            return {"ok": False, "error": "message_not_found"}
        if message.streaming:
            return {"ok": False, "error": "streaming_state_conflict"}
        message.text, message.blocks = params["text"], params.get("blocks", message.blocks)
        message.versions.append(message.shown)
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def chat_startstream(self, params: Body) -> Body:
        answer = self._post(params | {"text": ""})
        self.posted[-1].streaming = True
        return answer

    def chat_appendstream(self, params: Body) -> Body:
        message = self._at(params)
        if message is None or not message.streaming:
            return {"ok": False, "error": "message_not_in_streaming_state"}
        message.text += params["markdown_text"]
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def chat_stopstream(self, params: Body) -> Body:
        message = self._at(params)
        if message is None or not message.streaming:
            return {"ok": False, "error": "message_not_in_streaming_state"}
        message.streaming, message.blocks = False, params.get("blocks") or []
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def conversations_replies(self, params: Body) -> Body:
        """Two at a time, so that whoever reads it has to turn pages."""
        there = self._history(params, lambda m: params["ts"] in (m.thread, m.ts))
        at = int(params.get("cursor") or 0)
        following = str(at + 2) if at + 2 < len(there) else ""
        page = {"response_metadata": {"next_cursor": following}}
        return {"ok": True, "messages": there[at : at + 2], **page}

    def conversations_history(self, params: Body) -> Body:
        return {"ok": True, "messages": self._history(params, lambda m: not m.thread)[::-1]}

    def _history(self, params: Body, wanted: Callable[[Posted], bool]) -> list[Body]:
        return [
            {"ts": m.ts, "text": m.text, "thread_ts": m.thread or None, "metadata": m.metadata}
            for m in self.posted
            if m.channel == params["channel"] and not m.only and wanted(m)
        ]

    def _post(self, params: Body, *, only: str = "") -> Body:
        message = Posted(
            params["channel"],
            self.ts(),
            params.get("thread_ts", ""),
            params.get("text", ""),
            params.get("blocks", []),
            params.get("metadata", {}),
            only,
        )
        message.versions.append(message.shown)
        self.posted.append(message)
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def _at(self, params: Body) -> Posted | None:
        at = (params["channel"], params["ts"])
        return next((m for m in self.posted if (m.channel, m.ts) == at), None)


def _handler(method: str) -> str:
    return method.replace(".", "_").lower()


async def _params(request: web.Request) -> Body:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if request.content_type == "application/json":
        return {"token": token, **(await request.json())}
    return {"token": token, **request.query, **(await request.post())}


@asynccontextmanager
async def slack_server() -> AsyncIterator[SlackServer]:
    slack = SlackServer()
    app = web.Application(client_max_size=4 * 1024**2)
    app.router.add_get("/api/socket", slack.socket)
    app.router.add_route("*", "/api/{method}", slack.api)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    try:
        yield slack
    finally:
        await slack.drop()
        await runner.cleanup()


def signed(
    body: bytes, *, secret: str = SECRET, at: float | None = None, type: str = "application/json"
) -> dict[str, str]:
    """The headers of a request that Slack sends, by lower-case name."""
    when = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{when}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "content-type": type,
        "x-slack-request-timestamp": when,
        "x-slack-signature": f"v0={digest}",
    }


def request(payload: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of the request by which a payload comes over HTTP."""
    if payload.get("type") in ("event_callback", "url_verification"):
        body = json.dumps(payload).encode()
        return signed(body), body
    form = payload if "command" in payload else {"payload": json.dumps(payload)}
    body = urlencode(form).encode()
    return signed(body, type="application/x-www-form-urlencoded"), body
