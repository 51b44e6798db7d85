"""`assay mcp`: a client starts it, and talks to it over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from assay.api.app import open_app

from .conftest import ASK, GREET, GREET_TOOL, KEEP, SLOW, over_stdio, register, told
from .raw import HELLO

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_whole_story(tmp_path: Path, mode: str) -> None:
    await register(tmp_path, GREET, ASK, KEEP)
    numbers: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        numbers.append(progress)

    async def person(_: Any, params: Any) -> types.ElicitResult:
        assert params.message == "Ship it?"
        return types.ElicitResult(action="accept", content={"approved": True, "size": 4})

    async with over_stdio(tmp_path, mode=mode, elicitation_callback=person) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        greeted = told(
            await client.call_tool(GREET_TOOL, {"name": "Ada"}, progress_callback=progress)
        )
        shipped = told(await client.call_tool("ask", {}))
        kept = await client.call_tool("keep", {})
        (plan,) = [c for c in kept.content if getattr(c, "name", None) == "plan"]
        assert isinstance(plan, types.ResourceLink)
        (read,) = (await client.read_resource(plan.uri)).contents

    assert {"assay_status", "assay_answer", "assay_stop", GREET_TOOL, "ask"} <= set(names)
    assert greeted["outputs"] == {"greeting": "Hello, Ada"}
    assert numbers[-1] == 2
    assert shipped["outputs"] == {"size": 4, "by": "local"}
    assert isinstance(read, types.TextResourceContents)
    assert read.text == "# Plan"


async def test_what_one_client_began_another_goes_on_with(tmp_path: Path) -> None:
    await register(tmp_path, ASK)
    async with over_stdio(tmp_path) as client:
        waits = told(await client.call_tool("ask", {}))
    (question,) = waits["waits_for"]
    async with over_stdio(tmp_path) as client:
        await client.call_tool(
            "assay_answer",
            {"question_id": question["question_id"], "value": {"size": 9}, "approved": True},
        )
        done = told(
            await client.call_tool(
                "assay_status", {"execution_id": waits["execution_id"], "wait": 30}
            )
        )

    assert done["outputs"]["size"] == 9


async def test_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    await register(tmp_path, SLOW)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from assay.api.cli import main; main()", "mcp"),
        cwd=tmp_path,
        env={**os.environ, "ASSAY_HOME": str(tmp_path / ".assay")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    await process.stdin.drain()
    assert b'"id":1' in await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        _, err = await process.communicate()

    assert process.returncode == 0
    assert err == b""


async def test_lines_that_no_client_would_write_end_nothing(tmp_path: Path) -> None:
    await register(tmp_path, GREET)
    call = {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "tools/call",
        "params": {"name": GREET_TOOL, "arguments": {"name": "HERE"}},
    }
    deep = [b"[" * depth + b"]" * depth for depth in (60, 100, 190, 250, 5000, 100_000)]
    values = [*deep, b"NaN", b"1e999", b'"\\ud800"', b"1" * 10_000, b'"' + b"x" * 3_000_000 + b'"']
    calls = [
        json.dumps({**call, "id": 100 + n}).encode().replace(b'"HERE"', value)
        for n, value in enumerate(values)
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from assay.api.cli import main; main()", "mcp"),
        cwd=tmp_path,
        env={**os.environ, "ASSAY_HOME": str(tmp_path / ".assay")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    hello = json.dumps(HELLO).encode()
    for line in (hello, b"{", b"", b"[]", b'"x"', b"\xff\xfe", b"\x00", b"null", *deep, *calls):
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
    process.stdin.write(b'{"jsonrpc":"2.0","id":77,"method":"ping"}\n')
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        # 103 to 105 are nested so deep that nobody reads even their ids.
        while not {77, 100, 101, 102, 110} <= {message.get("id") for message in told}:
            told.append(json.loads(await process.stdout.readline()))
        process.stdin.close()
        rest, err = await process.communicate()
    told += [json.loads(line) for line in rest.splitlines()]

    refused = [message["error"]["code"] for message in told if "error" in message]
    assert types.INTERNAL_ERROR not in refused
    assert {"jsonrpc": "2.0", "id": 77, "result": {}} in told
    assert {m["id"] for m in told if m.get("result", {}).get("isError")} >= {100, 101, 102}
    assert process.returncode == 0
    assert b"Traceback" not in err


async def test_who_sits_at_the_machine_is_who_answered(tmp_path: Path) -> None:
    await register(tmp_path, ASK)
    async with over_stdio(tmp_path) as client:
        (question,) = told(await client.call_tool("ask", {}))["waits_for"]
        await client.call_tool(
            "assay_answer",
            {"question_id": question["question_id"], "value": {"size": 9}, "approved": True},
        )
    async with open_app(home=tmp_path / ".assay", workspace=tmp_path) as app:
        entries = (await app.manager.store.audit()).items

    assert {entry.action for entry in entries} == {"executions.start", "questions.answer"}
    assert {entry.data["surface"] for entry in entries} == {"mcp"}
    assert {entry.principal for entry in entries} == {"local"}
