"""Servers of tools in a definition: held for an agent, kept like any tool, told no secrets."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from ..running import open_house, problems
from ..scripted import Asked, Reply, ScriptedModel, ToolCall
from .asking import answered
from .test_agents_kept import settings

pytestmark = [pytest.mark.anyio, pytest.mark.sqlite_only("what is kept of a tool is any tool's")]

SERVER = '''
import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")

@server.tool(description=f"Order an item with {os.environ['KEY']}.")
def order(item: str) -> str:
    """Order an item."""
    with open("orders.txt", "a") as orders:
        orders.write(item + "\\n")
    return f"ordered {item} with {os.environ['KEY']}"

server.run("stdio")
'''
SECRET = "s3cr3t-of-the-shop"


def work(**fields: Any) -> dict[str, Any]:
    shop = {
        "name": "shop",
        "command": [sys.executable, "shop.py"],
        "env": {"KEY": "secret://shop"},
        "allow": ["order"],
    }
    return {
        "name": "buy",
        "steps": [{"id": "buy", "type": "agent", "prompt": "Buy.", "mcp": [shop], **fields}],
    }


def environ(server: ScriptedModel) -> dict[str, str]:
    return {**settings(server), "ASSAY_SECRET_SHOP": SECRET, "ASSAY_MODEL_RETRIES": "1000"}


def told(asked: Asked) -> list[str]:
    return [m["content"] for m in asked.messages if m["role"] == "tool"]


async def test_a_finished_call_is_not_made_again_after_an_interruption(tmp_path: Path) -> None:
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def script(asked: Asked) -> Reply:
        if not told(asked):
            return Reply.calling("shop__order", item="nail")
        if not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        return Reply("Bought.")

    with ScriptedModel(script) as server:
        async with open_house(tmp_path, environ(server)) as house:
            (house.workspace / "shop.py").write_text(SERVER)
            started = await house.app.start(work())
            await held.wait()
        async with open_house(tmp_path, environ(server)) as house:
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)
            events = [e async for e in house.app.manager.events(ended.id)]

    assert (ended.status, ended.steps["buy"].output) == ("completed", "Bought.")
    assert (tmp_path / "workspace" / "orders.txt").read_text() == "nail\n"
    assert told(server.requests[-1]) == ["ordered nail with [secret shop]"]
    assert SECRET not in str([server.requests, events, ended])
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in kept if SECRET.encode() in path.read_bytes()] == []


async def test_a_person_is_asked_before_a_call(tmp_path: Path) -> None:
    order = Reply(tool_calls=[ToolCall("shop__order", {"item": "nail"}, "one")])
    with ScriptedModel([order, Reply("Well.")]) as server:
        async with open_house(tmp_path, environ(server)) as house:
            (house.workspace / "shop.py").write_text(SERVER)
            started = await house.app.start(work(guardrails={"ask_before": ["shop__order"]}))
            question = await answered(house, started, "buy?1.1.1.one", approved=False)
            ended = await house.app.wait(started.id)
            assert not (house.workspace / "orders.txt").exists()

    assert "wants to call shop__order(item='nail')" in question.message
    assert (ended.status, told(server.requests[1])) == ("completed", ["error: a person said no"])


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("{name: a, allow: [x]}", "either a `command` or a `url`"),
        ("{name: a, command: [x], url: 'http://x', allow: [x]}", "either a `command` or a `url`"),
        ("{name: a, command: [x]}", "'allow' is missing"),
        ("{name: a, command: [x], allow: []}", "'allow' is empty"),
        ("{name: a__b, command: [x], allow: [x]}", "'a__b' is not allowed"),
        ("{name: a, url: 'ftp://x', allow: [x]}", "not a web address"),
        ("{name: a, url: 'http://x', env: {A: b}, allow: [x]}", "`env` goes with `command`"),
        ("{name: a, command: [x], headers: {A: b}, allow: [x]}", "`headers` go with `url`"),
        ("{name: a, command: ['{{ inputs.x }}'], allow: [x]}", "nothing is filled into"),
        ("{name: a, url: 'http://x', headers: {A: '{{ env.B }}'}, allow: [x]}", "secret://name"),
        ("{name: a, command: [x], env: {A: '${B}'}, allow: [x]}", "secret://name"),
        ("{name: a, command: [x], allow: [x]}, {name: a, url: 'http://x', allow: [x]}", "two"),
    ],
)
def test_a_server_that_is_not_well_named_is_refused(server: str, why: str) -> None:
    found = problems(f"- {{id: a, type: agent, prompt: Go., mcp: [{server}]}}")

    assert [why in problem.message for problem in found] == [True], found
