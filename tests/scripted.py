"""A scripted model behind a real socket: what OpenAI-compatible servers speak, and their faults.

with ScriptedModel([Reply("Hello")]) as server:
    ChatOpenAI(model="scripted", base_url=server.url, api_key="none")
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call a reply asks for; `arguments` is sent as it stands when it is a text."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model, or a fault of its server.

    `status` other than 200 answers with an error that says `text`. `cut_after` drops the
    connection after so many pieces of a stream; `finish` None leaves `finish_reason` out.
    `hold` keeps the answer back until the event is set (or the server stops).
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: tuple[int, int] | None = (11, 7)
    finish: str | None = "stop"
    cut_after: int | None = None
    hold: threading.Event | None = None

    @classmethod
    def of_json(cls, value: Any) -> Self:
        """An answer that is one JSON value."""
        return cls(json.dumps(value))

    @classmethod
    def calling(cls, name: str, **arguments: Any) -> Self:
        """An answer that calls one tool."""
        return cls(tool_calls=[ToolCall(name, arguments)])


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in; the names of header fields are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        messages: Sequence[Mapping[str, Any]] = self.body["messages"]
        return messages

    @property
    def last(self) -> str:
        """The text of the last message."""
        return str(self.messages[-1]["content"])

    @property
    def tools(self) -> Sequence[str]:
        """The names of the tools that were offered."""
        return [tool["function"]["name"] for tool in self.body.get("tools") or ()]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema that the answer was constrained to."""
        form = self.body.get("response_format") or {}
        schema: Mapping[str, Any] | None = form.get("json_schema", {}).get("schema")
        return schema


Script = Sequence[Reply] | Callable[[Asked], Reply]


class ScriptedModel:
    """Answers from a script: a list, one reply a request, or a function of the request.

    A list that is used up answers 400, which no client tries again. `requests` holds what
    was asked, faults included.
    """

    def __init__(self, script: Script = ()) -> None:
        self.requests: list[Asked] = []
        self._script = script
        self._arrived = threading.Condition()
        self._stopping = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """What `base_url` is set to."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def wait(self, requests: int = 1, timeout: float = 10.0) -> None:
        """Until that many requests have come in; raises `TimeoutError`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= requests, timeout):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests came in")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> Reply:
        """The reply to a request, which is recorded."""
        with self._arrived:
            index = len(self.requests)
            self.requests.append(asked)
            self._arrived.notify_all()
        if callable(self._script):
            return self._script(asked)
        if index >= len(self._script):
            return Reply(f"the script has no reply for request {index + 1}", status=400)
        return self._script[index]

    def held(self, event: threading.Event) -> None:
        """Wait for the event, but no longer than the server lives."""
        while not event.wait(0.02) and not self._stopping.is_set():
            pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.model.answer(Asked(self.path, headers, body))
        if reply.hold is not None:
            self.server.model.held(reply.hold)
        if reply.status != 200:
            error = {"message": reply.text, "type": "scripted", "code": None}
            self._json(reply.status, {"error": error}, reply.headers)
        elif body.get("stream"):
            self._stream(reply, body)
        else:
            self._json(200, _completion(reply, body), reply.headers)

    def _json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        fields = {"content-type": "application/json", "content-length": str(len(data))}
        for name, field_value in {**fields, **(headers or {})}.items():
            self.send_header(name, field_value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, reply: Reply, body: Mapping[str, Any]) -> None:
        self.send_response(200)
        for name, value in {"content-type": "text/event-stream", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for count, piece in enumerate(_pieces(reply, body)):
            if count == reply.cut_after:
                self.close_connection = True
                return
            self._chunk(b"data: " + json.dumps(piece).encode() + b"\n\n")
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _completion(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = [_call(c, i) for i, c in enumerate(reply.tool_calls)]
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    whole = {**_heading("chat.completion", body), "choices": [choice]}
    return {**whole, "usage": _usage(reply.usage)} if reply.usage else whole


def _pieces(reply: Reply, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The stream: the role, words, calls with arguments in halves, the end, the usage."""

    def piece(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**_heading("chat.completion.chunk", body), "choices": [choice]}

    yield piece({"role": "assistant", "content": ""})
    for word in re.findall(r"\s*\S+|\s+$", reply.text):
        yield piece({"content": word})
    for index, asked in enumerate(reply.tool_calls):
        call = _call(asked, index)
        arguments = call["function"]["arguments"]
        half = len(arguments) // 2
        begun = {"name": asked.name, "arguments": arguments[:half]}
        yield piece({"tool_calls": [{"index": index, **call, "function": begun}]})
        rest = {"index": index, "function": {"arguments": arguments[half:]}}
        yield piece({"tool_calls": [rest]})
    yield piece({}, _finish(reply))
    if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
        heading = _heading("chat.completion.chunk", body)
        yield {**heading, "choices": [], "usage": _usage(reply.usage)}


def _heading(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    model = body.get("model", "scripted")
    return {"id": "chatcmpl-0", "object": kind, "created": int(time.time()), "model": model}


def _call(call: ToolCall, index: int) -> dict[str, Any]:
    text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    return {
        "id": call.id or f"call_{index}_{call.name}",
        "type": "function",
        "function": {"name": call.name, "arguments": text},
    }


def _finish(reply: Reply) -> str | None:
    return "tool_calls" if reply.tool_calls and reply.finish == "stop" else reply.finish


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    asked, answered = usage
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }
