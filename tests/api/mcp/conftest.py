"""Clients of MCP: each of both generations of the protocol, over HTTP and over stdio."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from assay.api.access import Role
from assay.api.app import open_app

from ..http.conftest import Served, serving

GREET: Mapping[str, Any] = {
    "name": "greet.people",
    "description": "Greets somebody by name.",
    "inputs": {
        "name": {"type": "string", "required": True, "description": "Whom to greet."},
        "times": {"type": "integer", "default": 1},
    },
    "outputs": {"greeting": {"value": "{{ say.output }}"}},
    "steps": [
        {"id": "say", "type": "shell", "command": "printf 'Hello, %s' {{ inputs.name }}"},
        {"id": "again", "type": "loop", "max_iterations": 2, "until": "iteration == 1",
         "steps": [{"id": "inner", "type": "shell", "command": "true"}]},
    ],
}  # fmt: skip

ASK: Mapping[str, Any] = {
    "name": "ask",
    "outputs": {"size": {"value": "{{ go.output.size }}"}, "by": {"value": "{{ go.by }}"}},
    "steps": [
        {
            "id": "go",
            "type": "approval",
            "message": "Ship it?",
            "schema": {
                "type": "object",
                "properties": {"size": {"type": "integer", "minimum": 1}},
                "required": ["size"],
            },
        },
    ],
}

SLOW: Mapping[str, Any] = {
    "name": "slow",
    "steps": [{"id": "nap", "type": "sleep", "duration": "1h"}],
}

FAIL: Mapping[str, Any] = {
    "name": "fail",
    "steps": [{"id": "broken", "type": "shell", "command": "echo why >&2; exit 3"}],
}

KEEP: Mapping[str, Any] = {
    "name": "keep",
    "steps": [
        {
            "id": "write",
            "type": "shell",
            "command": "printf '# Plan' > plan.md; printf '\\377\\000' > raw.bin",
            "artifacts": {"plan": "plan.md", "raw": "raw.bin"},
        }
    ],
}

EVERY = (GREET, ASK, SLOW, FAIL, KEEP)

GREET_TOOL = "greet-people-f5baddc9"

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
async def registered(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    """A server with keys of every role and some workflows."""
    async with serving(tmp_path) as one:
        for document in EVERY:
            await one.tenants.app().register(document)
        yield one


@asynccontextmanager
async def over_http(url: str, key: str | None, **options: Any) -> AsyncIterator[Client]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), **options) as client,
    ):
        yield client


@pytest.fixture(params=["legacy", "auto"])
def connect(registered: Served, request: pytest.FixtureRequest) -> Connect:
    """A client of that role, of the protocol before 2026 and after."""

    def client(role: str = Role.OPERATOR, key: str | None = None, **options: Any) -> Any:
        options.setdefault("mode", request.param)
        return over_http(registered.url, key or registered.keys[role], **options)

    return client


def over_stdio(folder: Path, *args: str, **options: Any) -> Client:
    """A client that starts `assay mcp` in that folder."""
    program = "from assay.api.cli import main; main()"
    environ = {**os.environ, "ASSAY_HOME": str(folder / ".assay")}
    command = StdioServerParameters(
        command=sys.executable, args=["-c", program, "mcp", *args], env=environ, cwd=folder
    )
    return Client(command, **options)


def told(result: Any) -> dict[str, Any]:
    """The structured content of a result, which its text must say as well."""
    structured: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == structured
    return structured


async def register(folder: Path, *documents: Mapping[str, Any]) -> None:
    """Into the store of that folder."""
    async with open_app(home=folder / ".assay", workspace=folder) as app:
        for document in documents:
            await app.register(document)
