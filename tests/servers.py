"""Real servers for tests: an HTTPS site of any name, behind a proxy that leads only to it."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

import trustme


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `target` is the path and query, still encoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path_segments(self) -> list[str]:
        return [unquote(s) for s in self.target.partition("?")[0].split("/")[1:]]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True, strict_parsing=True)

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Site:
    """What a site answers, and what it was asked: `requests`, and as a list of `METHOD path`.

    `body` is sent as JSON, bytes as they are with `content_type`. `failures` is how many requests
    it still answers with 503 first.
    """

    body: object = field(default_factory=lambda: {"status": "ok"})
    status: int = 200
    content_type: str = "application/json"
    failures: int = 0
    asked: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    proxy: str = ""
    authority: Path = Path()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead a client through the proxy and let it trust the site."""
        return {"HTTPS_PROXY": self.proxy, "SSL_CERT_FILE": str(self.authority)}


@contextlib.contextmanager
def https_site(name: str, folder: Path) -> Iterator[Site]:
    """Serve `https://<name>` on this machine: a certificate of our own, a CONNECT proxy."""
    site = Site()
    authority = trustme.CA()
    site.authority = folder / "authority.pem"
    authority.cert_pem.write_to_path(site.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _proxy(server.server_port))
    site.proxy = f"http://127.0.0.1:{proxy.server_port}"
    with _serving(server), _serving(proxy):
        yield site


@contextlib.contextmanager
def http_site() -> Iterator[tuple[str, Site]]:
    """Serve plain HTTP on this machine; gives its address."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_port}", site


@contextlib.contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            given = self.rfile.read(length)
            site.asked.append(f"{self.command} {self.path}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.requests.append(Request(self.command, self.path, headers, given))
            status = site.status
            if site.failures > 0:
                site.failures -= 1
                status = 503
            body = site.body if isinstance(site.body, bytes) else json.dumps(site.body).encode()
            self.send_response(status)
            self.send_header("content-type", site.content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def _proxy(port: int) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as site:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: site, site: self.connection}
                while True:
                    readable, _, _ = select.select(list(ends), [], [], 30)
                    for end in readable:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)
                    if not readable:
                        return

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Proxy
