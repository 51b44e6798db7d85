"""A scripted model behind a real socket: what OpenAI-compatible servers speak, and their faults."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .loopback import Exchange, Loopback
from .script import Asked, Player, Reply, Script, ToolCall


class ScriptedModel(Player, Loopback):
    """Answers from a script, over HTTP, to the clients that a real model would have.

    with ScriptedModel([Reply("Hello")]) as server:
        ChatOpenAI(model="scripted", base_url=server.url, api_key="none")
    """

    def __init__(self, script: Script = ()) -> None:
        Player.__init__(self, script)
        Loopback.__init__(self)

    def post(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        headers = {name.lower(): value for name, value in exchange.headers.items()}
        reply = self.answer(Asked(exchange.path, headers, body))
        while reply.hold is not None and not reply.hold.wait(0.02) and not self.stopping.is_set():
            pass
        if reply.status != 200:
            exchange.refuse(reply.status, reply.text, reply.headers)
        elif body.get("stream"):
            fields = {"content-type": "text/event-stream", **reply.headers}
            exchange.stream(200, fields, _lines(reply, body))
        else:
            exchange.json(200, _completion(reply, body), reply.headers)


def _lines(reply: Reply, body: Mapping[str, Any]) -> Iterator[bytes | None]:
    for count, piece in enumerate(_pieces(reply, body)):
        if count == reply.cut_after:
            yield None
        yield b"data: " + json.dumps(piece).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _completion(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = [_call(c, i) for i, c in enumerate(reply.tool_calls)]
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    whole = {**_heading("chat.completion", body), "choices": [choice]}
    return {**whole, "usage": _usage(reply.usage)} if reply.usage else whole


def _pieces(reply: Reply, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The stream: the role, words, calls with arguments in halves, the end, the usage."""

    def piece(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**_heading("chat.completion.chunk", body), "choices": [choice]}

    yield piece({"role": "assistant", "content": ""})
    for word in words(reply.text):
        yield piece({"content": word})
    for index, asked in enumerate(reply.tool_calls):
        call = _call(asked, index)
        arguments = call["function"]["arguments"]
        half = len(arguments) // 2
        begun = {"name": asked.name, "arguments": arguments[:half]}
        yield piece({"tool_calls": [{"index": index, **call, "function": begun}]})
        rest = {"index": index, "function": {"arguments": arguments[half:]}}
        yield piece({"tool_calls": [rest]})
    yield piece({}, reply.finish_reason)
    if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
        heading = _heading("chat.completion.chunk", body)
        yield {**heading, "choices": [], "usage": _usage(reply.usage)}


def words(text: str) -> list[str]:
    """A text in the pieces in which it is streamed; together they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def _heading(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    model = body.get("model", "scripted")
    return {"id": "chatcmpl-0", "object": kind, "created": int(time.time()), "model": model}


def _call(call: ToolCall, index: int) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.text}
    return {"id": call.named(index), "type": "function", "function": function}


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    asked, answered = usage
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }
