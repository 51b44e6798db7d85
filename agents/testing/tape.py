"""A recorder in front of a model's server, and a replayer that takes the server's place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .cassette import Take, difference, read, write
from .loopback import Exchange, Loopback

if TYPE_CHECKING:
    import httpx

_ANSWERS = 600.0
"""Seconds that a real model may take for a piece of its answer."""

_SHORTEST_KEY = 8
"""Characters of a text that is believed to be a key; shorter ones would tear the words apart."""


class UnknownRequest(AssertionError):
    """Something was asked that was not recorded; the message says what differs."""


class Recorder(Loopback):
    """Hands requests on to any OpenAI-compatible server, and keeps both sides in a cassette.

    with Recorder("https://api.openai.com/v1", "cassettes/triage.json") as server:
        ...  # with ASSAY_BASE_URL set to server.url

    `upstream` is what `base_url` was. The file is written when the `with` ends, over what was
    there. It holds no header of a request, and neither the key that was sent nor any text of
    `hide`. Answers of errors are recorded like others; a server that cannot be reached is told
    as HTTP 502, and is not.
    """

    def __init__(self, upstream: str, cassette: str | Path, *, hide: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.takes: list[Take] = []
        self._upstream = upstream.rstrip("/")
        self._file = Path(cassette)
        self._hidden = set(hide)
        self._lock = threading.Lock()

    def post(self, exchange: Exchange) -> None:
        import httpx

        path = exchange.path.removeprefix("/v1")
        sent = {
            name: value
            for name, value in exchange.headers.items()
            if name.lower() in ("authorization", "content-type", "accept", "user-agent")
            or name.lower().startswith("openai-")
        }
        self._hide(sent)
        try:
            with (
                httpx.Client(timeout=_ANSWERS, follow_redirects=True) as client,
                client.stream(
                    "POST", self._upstream + path, content=exchange.body, headers=sent
                ) as answer,
            ):
                kind = answer.headers.get("content-type", "application/json")
                heard: list[bytes] = []
                exchange.stream(answer.status_code, {"content-type": kind}, _heard(answer, heard))
        except httpx.HTTPError as error:
            exchange.refuse(HTTPStatus.BAD_GATEWAY, f"{self._upstream} gave no answer: {error}")
            return
        body = b"".join(heard).decode(errors="replace")
        take = Take(path, json.loads(exchange.body), answer.status_code, kind, body)
        with self._lock:
            self.takes.append(take)

    def _hide(self, sent: dict[str, str]) -> None:
        """Whatever authorises is a key, with and without the word before it."""
        for name, value in sent.items():
            if name.lower() == "authorization":
                self._hidden.update(w for w in value.split() if len(w) >= _SHORTEST_KEY)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        write(self._file, self.takes, sorted(self._hidden, key=len, reverse=True))


def _heard(answer: httpx.Response, heard: list[bytes]) -> Iterator[bytes]:
    for piece in answer.iter_bytes():
        heard.append(piece)
        yield piece


class Replayer(Loopback):
    """Answers from a cassette, and from nothing else.

    with Replayer("cassettes/triage.json") as server:
        ...  # with ASSAY_BASE_URL set to server.url

    The same request gets the same answer, once for each time that it was recorded; requests
    may come in another order, as those of parallel steps do. Any other request is answered
    with HTTP 400, which no client tries again, and the end of the `with` raises
    `UnknownRequest`, which says how it differs from the nearest one. `left` are the takes
    that nobody asked for.
    """

    def __init__(self, cassette: str | Path) -> None:
        """Raises `ConfigurationError` when there is no such cassette."""
        super().__init__()
        self.left = read(Path(cassette))
        self.unknown: list[str] = []
        self._file = Path(cassette)
        self._lock = threading.Lock()

    def post(self, exchange: Exchange) -> None:
        path = exchange.path.removeprefix("/v1")
        found = self._taken(path, json.loads(exchange.body))
        if isinstance(found, str):
            exchange.refuse(400, found)
        else:
            exchange.whole(found.status, {"content-type": found.kind}, found.body.encode())

    def _taken(self, path: str, asked: Any) -> Take | str:
        with self._lock:
            for take in self.left:
                if (take.path, take.asked) == (path, asked):
                    self.left.remove(take)
                    return take
            why = difference(path, asked, self.left)
            message = f"{self._file} has no such request; {why}"
            self.unknown.append(message)
            return message

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if self.unknown and error is None:
            raise UnknownRequest("\n\n".join(self.unknown))
