"""Everything outside of Assay that the workflows talk to: a site and a model, which remember."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from ..scripted import Asked, Reply, ScriptedModel
from .ledger import Ledger

_ASKED = re.compile(r"\[(\S+) (\S+)\]")


@dataclass
class World:
    """Serves any number of cases at once; each notes its effects in a ledger of its own."""

    ledgers: dict[str, Ledger] = field(default_factory=dict)
    site: str = ""
    model: str = ""

    def add(self, case: str, workspace: Path) -> None:
        self.ledgers[case] = Ledger.of(workspace)

    @property
    def environ(self) -> dict[str, str]:
        """The variables under which Assay finds the model."""
        return {
            "PATH": os.environ["PATH"],
            "ASSAY_MODEL": "scripted",
            "ASSAY_BASE_URL": self.model,
        }

    def said(self, asked: Asked) -> Reply:
        """A prompt names its case and path as `[case path]`; feedback makes an answer better."""
        prompt = "\n".join(str(m["content"]) for m in asked.messages)
        found = _ASKED.search(prompt)
        if found is None:
            return Reply("the prompt names no case", status=400)
        case, path = found.groups()
        better = "too short" in prompt
        path += "~2" if better else ""
        ledger = self.ledgers[case]
        ledger.begin(path)
        ledger.end(path)
        if "Pick exactly one" in prompt:
            return Reply.of_json({"option": "left", "confidence": 0.9, "reason": "it is near"})
        return Reply.of_json({"text": "a long answer" if better else "short"})


@contextmanager
def world() -> Iterator[World]:
    """The world, while it turns."""
    outside = World()

    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            case = parse_qs(urlsplit(self.path).query)["case"][0]
            ledger = outside.ledgers[case]
            path = self.headers["idempotency-key"].partition("/")[2]
            ledger.begin(path)
            ledger.end(path)
            body = json.dumps({"heard": said}).encode()
            self.send_response_only(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ScriptedModel(outside.said) as model, _Server(("127.0.0.1", 0), Site) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        outside.site = f"http://127.0.0.1:{server.server_port}"
        outside.model = model.url
        try:
            yield outside
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that die are what this is about."""
