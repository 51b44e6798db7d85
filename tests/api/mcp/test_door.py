"""Who is let in to `/mcp`, and what it says when its optional part is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError

from assay.api.access import Role

from ..http.conftest import Served, serving
from .conftest import Connect, over_http, told

pytestmark = pytest.mark.anyio

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def test_both_generations_of_the_protocol_are_spoken(connect: Connect) -> None:
    versions = set()
    for mode in ("legacy", "auto"):
        async with connect(mode=mode) as client:
            versions.add(client.protocol_version)

    assert versions == {"2025-11-25", "2026-07-28"}


@pytest.mark.parametrize("key", [None, "assay_00000000_" + "x" * 43, "no key at all"])
async def test_without_a_good_key_nothing_is_said(registered: Served, key: str | None) -> None:
    headers = ACCEPT | ({} if key is None else {"Authorization": f"Bearer {key}"})
    async with httpx.AsyncClient(base_url=registered.url, headers=headers) as client:
        for method in ("POST", "GET", "DELETE"):
            answer = await client.request(method, "/mcp", json=HELLO)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] == "not_authenticated"


async def test_a_page_of_another_site_is_refused(registered: Served) -> None:
    async with registered.client(Role.OPERATOR) as client:
        foreign = {"Origin": "https://evil.example", **ACCEPT}
        refused = await client.post("/mcp", json=HELLO, headers=foreign)
        own = await client.post("/mcp", json=HELLO, headers={"Origin": registered.url, **ACCEPT})

    assert (refused.status_code, own.status_code) == (403, 200)


async def test_without_keys_it_answers_to_this_machine_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, guarded=False) as one:
        async with over_http(one.url, None) as client:
            assert "assay_stop" in [tool.name for tool in (await client.list_tools()).tools]
        async with httpx.AsyncClient(base_url=one.url, headers=ACCEPT) as client:
            elsewhere = await client.post("/mcp", json=HELLO, headers={"Host": "evil.example"})

    assert elsewhere.status_code == 403


async def test_a_session_is_its_owners(registered: Served) -> None:
    async with registered.client(Role.OPERATOR) as owner:
        begun = await owner.post("/mcp", json=HELLO, headers=ACCEPT)
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], **ACCEPT}
        ping: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        async with registered.client(Role.ADMIN) as stranger:
            stolen = await stranger.post("/mcp", json=ping, headers=session)
            ended = await stranger.delete("/mcp", headers=session)
        own = await owner.post("/mcp", json=ping, headers=session)

    assert (stolen.status_code, ended.status_code, own.status_code) == (404, 404, 200)


async def test_who_waits_with_a_key_that_is_revoked_waits_no_longer(
    connect: Connect, registered: Served
) -> None:
    manager = registered.tenants.app().manager
    begun = manager.follow()
    async with connect() as client:

        async def revoke(progress: float, total: float | None, message: str | None) -> None:
            for principal in (await manager.store.principals()).items:
                if principal.role == Role.OPERATOR:
                    await manager.store.delete_principal(principal.id)

        result = await client.call_tool("slow", {}, progress_callback=revoke)
        assert result.is_error
        assert result.structured_content["error"]["code"] == "not_authenticated"
        with pytest.raises((MCPError, httpx.HTTPError)):
            await client.list_tools()

    execution = await manager.get((await anext(begun)).execution_id)
    assert not execution.status.terminal


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[1]", b'"x"', b"\xff", b"[" * 10_000])
async def test_what_is_no_message_is_refused(registered: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json", **ACCEPT}
    async with registered.client(Role.OPERATOR) as client:
        for version in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
            answer = await client.post("/mcp", content=body, headers=headers | version)
            assert 400 <= answer.status_code < 500


def test_without_its_optional_part_everybody_is_told_how_to_get_it(tmp_path: Path) -> None:
    """In a process of its own, which cannot import it."""
    program = """
import sys
sys.modules["mcp"] = None
import asyncio, json, httpx
from pathlib import Path
from dataclasses import replace
from assay.api.surfaces import application
from assay.api.identity import Identity
from assay.api.settings import read_settings
from assay.api.tenants import Tenants

async def main():
    home = Path.cwd() / "home"
    settings = replace(read_settings({}), home=home, store=f"sqlite:///{home}/assay.db")
    async with Tenants(settings, Path.cwd()) as tenants:
        transport = httpx.ASGITransport(application(tenants, Identity(tenants)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/mcp", json={})
            print(json.dumps([answer.status_code, answer.json()]))

asyncio.run(main())
from assay.api.cli import main as cli
sys.argv = ["assay", "mcp"]
cli()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    status, problem = json.loads(done.stdout)
    assert (status, problem["code"]) == (501, "not_installed")
    assert "pip install 'assay[mcp]'" in problem["detail"]
    assert done.returncode == 2
    assert "pip install 'assay[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_call_ends_in_time_and_says_how_to_wait_on(tmp_path: Path) -> None:
    """The server's patience ends before the execution does."""
    from .conftest import SLOW, over_stdio, register

    await register(tmp_path, SLOW)
    async with over_stdio(tmp_path, "--wait", "0.2") as client:
        waits = told(await client.call_tool("slow", {}))

    assert waits["status"] in ("running", "waiting")
    assert "assay_status" in waits["next"]
