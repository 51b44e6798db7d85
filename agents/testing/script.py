"""A script: what a model will say, and what it was asked. Knows nothing of how it is reached."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call a reply asks for; `arguments` is sent as it stands when it is a text."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""

    @property
    def text(self) -> str:
        """The arguments as a model writes them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)

    def named(self, index: int) -> str:
        """Its id, made up where the script gives none."""
        return self.id or f"call_{index}_{self.name}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model, or a fault of its server.

    `status` other than 200 answers with an error that says `text`. `cut_after` drops the
    connection after so many pieces of a stream; `finish` None leaves `finish_reason` out.
    `usage` are tokens asked and answered (None: the server does not count), `headers` go with
    an answer over HTTP. `hold` keeps the answer back until the event is set (or the server
    stops).
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
    def calling(cls, name: str, /, **arguments: Any) -> Self:
        """An answer that calls one tool."""
        return cls(tool_calls=[ToolCall(name, arguments)])

    @property
    def finish_reason(self) -> str | None:
        return "tool_calls" if self.tool_calls and self.finish == "stop" else self.finish


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in, in the form of OpenAI's `chat/completions`.

    The names of header fields are in lower case; in process there are none.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model", ""))

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
    def results(self) -> Sequence[str]:
        """What tools gave so far in this conversation, oldest first."""
        return [str(m["content"]) for m in self.messages if m["role"] == "tool"]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema that the answer was constrained to."""
        form = self.body.get("response_format") or {}
        schema: Mapping[str, Any] | None = form.get("json_schema", {}).get("schema")
        return schema


Script = Sequence[Reply] | Callable[[Asked], Reply]
"""One reply a request, in order; or a function of the request."""


class Player:
    """Plays a script, and keeps what it was asked in `requests`, faults included.

    A list that is used up answers 400, which no client tries again.
    """

    def __init__(self, script: Script = ()) -> None:
        self.requests: list[Asked] = []
        self._script = script
        self._arrived = threading.Condition()

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

    def wait(self, requests: int = 1, timeout: float = 10.0) -> None:
        """Until that many requests have come in; raises `TimeoutError`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= requests, timeout):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests came in")
