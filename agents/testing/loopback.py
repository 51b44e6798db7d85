"""A server on this machine alone, in a thread of its own, for as long as a `with` lasts."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Exchange(BaseHTTPRequestHandler):
    """One connection; `body` is what the present request brought."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    body: bytes = b""

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.owner.get(self)

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.owner.post(self)

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        fields = {"content-type": "application/json", **(headers or {})}
        self.whole(status, fields, json.dumps(value).encode())

    def refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """An error in the form that OpenAI's clients read."""
        error = {"message": message, "type": "scripted", "code": None}
        self.json(status, {"error": error}, headers)

    def whole(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._head(status, {**headers, "content-length": str(len(data))})
        self.wfile.write(data)

    def stream(
        self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes | None]
    ) -> None:
        """Piece by piece as they come; None drops the connection there."""
        self._head(status, {**headers, "transfer-encoding": "chunked"})
        for piece in pieces:
            if piece is None:
                self.close_connection = True
                return
            if piece:
                self._chunk(piece)
        self._chunk(b"")

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Loopback(ABC):
    """Serves between `__enter__` and `__exit__`, on a port that the system picks."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What `base_url`, or `ASSAY_BASE_URL`, is set to, within the `with`."""
        if self._server is None:
            raise RuntimeError("it serves between the beginning and the end of a `with`")
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @abstractmethod
    def post(self, exchange: Exchange) -> None:
        """Answer a request, in a thread of its connection."""

    def get(self, exchange: Exchange) -> None:
        """What some clients ask first: which models there are."""
        models = [{"id": "scripted", "object": "model"}]
        exchange.json(200, {"object": "list", "data": models})

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), Exchange)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what many tests are about."""
