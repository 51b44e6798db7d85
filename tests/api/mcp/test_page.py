"""The configuration lines in docs/mcp.md: what they say is started, and reached, as they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from assay.api.access import Role
from assay.api.cli.commands import app as command_line

from ..http.conftest import Served
from .conftest import GREET, GREET_TOOL, register, told

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text()
CONFIGURED: list[dict[str, Any]] = [
    server
    for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for whole in [json.loads(text)]
    for server in (whole.get("mcpServers") or whole["servers"]).values()
]
STARTED = [each for each in CONFIGURED if "command" in each]
REACHED = [each for each in CONFIGURED if "url" in each]


def test_there_are_lines_for_both_ways() -> None:
    assert len(STARTED) >= 2
    assert len(REACHED) >= 1


@pytest.mark.parametrize("server", STARTED)
async def test_what_a_client_starts_serves_the_workflows(
    server: dict[str, Any], tmp_path: Path
) -> None:
    await register(tmp_path, GREET)
    assert server["command"] == "assay"
    program = ["-c", "from assay.api.cli import main; main()", *server["args"]]
    environ = {**os.environ, **server.get("env", {}), "ASSAY_HOME": str(tmp_path / ".assay")}
    started = StdioServerParameters(command=sys.executable, args=program, env=environ, cwd=tmp_path)
    async with Client(started) as client:
        done = told(await client.call_tool(GREET_TOOL, {"name": "Ada"}))

    assert done["outputs"] == {"greeting": "Hello, Ada"}


@pytest.mark.parametrize("server", REACHED)
async def test_what_a_client_reaches_serves_the_workflows(
    server: dict[str, Any], registered: Served
) -> None:
    key = registered.keys[Role.OPERATOR]
    url = server["url"].replace("http://127.0.0.1:8000", registered.url)
    headers = {k: v.replace("assay_…", key) for k, v in server["headers"].items()}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        done = told(await client.call_tool(GREET_TOOL, {"name": "Ada"}))

    assert done["outputs"] == {"greeting": "Hello, Ada"}


def test_what_claude_code_is_told_to_start_is_a_command() -> None:
    lines = re.findall(r"^\$ (claude mcp add .*)$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    commands = [shlex.split(line) for line in lines]
    (local,) = [each for each in commands if "--" in each]
    (remote,) = [each for each in commands if "http" in each]
    name, *arguments = local[local.index("--") + 2 :]
    group: Any = typer.main.get_command(command_line)

    group.commands[name].make_context(name, arguments)
    assert remote[-3].endswith("/mcp")
    assert remote[-1] == f"Authorization: {REACHED[0]['headers']['Authorization']}"
