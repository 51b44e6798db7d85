"""A secret does its work and is written nowhere: every byte that is kept or told is searched."""

from __future__ import annotations

import base64
import logging
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from assay.graphs.event import EventType

from ..running import mapping, open_house
from ..scripted import Asked, Reply, ScriptedModel

pytestmark = [pytest.mark.anyio, pytest.mark.sqlite_only("it reads the files of the store")]

CANARY = "canary-4f1c9a7be2"
FORMS = (CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY[3:])

WORK = """
    name: w
    inputs: {url: {type: string}, given: {type: string}}
    context: {mutable: {k: ""}}
    outputs: {said: {value: "{{ echo.output }}"}}
    steps:
      - id: shell
        type: shell
        command: |
          printf %s "$TOKEN" > token.txt
          echo "token $TOKEN"; echo "[\\"$TOKEN\\"]" >&2; printf %s "$TOKEN" | base64
          printf canary-4f; sleep 0.05; echo 1c9a7be2
          env | grep -c ASSAY_SECRET || true
        env: {TOKEN: secret://canary}
      - id: long
        type: shell
        command: 'for i in $(seq 8000); do echo "line $i $TOKEN"; done'
        env: {TOKEN: "secret://canary"}
      - id: bad
        type: shell
        command: 'echo "no: $TOKEN" >&2; exit 3'
        env: {TOKEN: secret://canary}
        retry: {attempts: 2, delay: 1ms}
        on_error: skip
      - {id: echo, type: http, url: "{{ inputs.url }}", headers: {Authorization: Bearer secret://canary}}
      - id: refuse
        type: http
        url: "{{ inputs.url }}"
        method: POST
        body: {token: secret://canary}
        expect_status: 418
        on_error: skip
      - {id: data, type: shell, command: echo "$X", env: {X: "{{ inputs.given }}"}}
      - {id: keep, type: set, values: {k: "{{ echo.output }}{{ env.ASSAY_SECRET_CANARY }}"}}
      - id: read
        type: agent
        prompt: "Read it. {{ shell.output }}"
        tools: [read_file, run_command]
        mcp:
          - name: shop
            command: [PYTHON, shop.py]
            env: {KEY: "key secret://canary"}
            allow: [price]
      - id: coder
        type: agent
        prompt: Print it.
        runtime: cli
        cli: {format: text, command: [cat, token.txt]}
      - {id: sure, type: assert, condition: read.output != ""}
"""


SHOP = """
import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")

@server.tool()
def price(item: str) -> str:
    with open("asked.txt", "w") as asked:
        asked.write(os.environ["KEY"])
    return "nothing without " + os.environ["KEY"]

server.run("stdio")
"""


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    sent: list[str]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        told = f"{self.headers.get('authorization')} {body}"
        self.sent.append(told)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(told.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    Echo.sent = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def curious(asked: Asked) -> Reply:
    """Reads the file with the secret, and looks for it in the environment."""
    match len(asked.results):
        case 0:
            return Reply.calling("read_file", path="token.txt")
        case 1:
            return Reply.calling("run_command", command="env; cat token.txt")
        case 2:
            return Reply.calling("shop__price", item="nail")
    return Reply("It says: " + asked.results[0])


async def test_a_secret_is_used_and_written_nowhere(
    tmp_path: Path, site: ThreadingHTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{site.server_port}/"
    told: list[dict[str, Any]] = []
    with ScriptedModel(curious) as model:
        environ = {
            "PATH": os.environ["PATH"],
            "ASSAY_SECRET_CANARY": CANARY,
            "ASSAY_MODEL": "scripted",
            "ASSAY_BASE_URL": model.url,
        }
        async with open_house(tmp_path, environ) as house:
            (house.workspace / "shop.py").write_text(SHOP)
            following = house.app.manager.follow()
            ended = await house.run(
                mapping(WORK.replace("PYTHON", sys.executable)),
                {"url": url, "given": "secret://canary"},
            )
            async for event in following:
                told.append(event.to_dict())
                if event.type is EventType.EXECUTION_COMPLETED:
                    break
            events = [event.to_dict() async for event in house.app.manager.events(ended.id)]

    assert ended.status == "completed", ended.error
    steps = ended.steps
    # It reached whom it was for.
    assert Echo.sent == [f"Bearer {CANARY} ", f'None {{"token":"{CANARY}"}}']
    assert (house.workspace / "token.txt").read_text() == CANARY
    assert (house.workspace / "asked.txt").read_text() == f"key {CANARY}"
    # Others were told its name.
    assert steps["shell"].output.splitlines() == [
        "token [secret canary]", "[secret canary]", "[secret canary]", "0",
    ]  # fmt: skip
    assert steps["echo"].output.strip() == "Bearer [secret canary]"
    assert "no: [secret canary]" in str(steps["bad"].error)
    assert steps["read"].output == "It says: [secret canary]"
    assert model.requests[-1].results[-1] == "nothing without key [secret canary]"
    assert steps["coder"].output == "[secret canary]"
    assert steps["keep"].output == {"k": steps["echo"].output}, "no variable tells it"
    assert steps["data"].output == "secret://canary", "what a value brings is data"
    assert any(event["type"] == "StepOutput" for event in told)
    # And nothing holds it.
    asked = [request.body for request in model.requests]
    spoken = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    for what in (told, events, ended.to_dict(), asked, spoken):
        assert [form for form in FORMS if form in orjson.dumps(what, default=str).decode()] == []
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any("blobs" in path.parts for path in kept)
    for path in kept:
        data = path.read_bytes()
        assert [form for form in FORMS if form.encode() in data] == [], path


async def test_a_secret_that_is_not_there_ends_the_step(tmp_path: Path) -> None:
    async with open_house(tmp_path, {"PATH": os.environ["PATH"]}) as house:
        ended = await house.run("- {id: a, type: shell, command: echo hi, env: {K: secret://none}}")

    assert ended.error is not None
    assert (ended.status, ended.error.path) == ("failed", "a")
    assert "there is no secret 'none'; set ASSAY_SECRET_NONE" in ended.error.message
