"""Agents that go on with a conversation of an earlier execution."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.memory import CONVERSATION_LIMIT, TURN_LIMIT, Turn, fitting

from ..running import House, open_house, problems
from ..scripted import Asked, Reply, ScriptedModel
from .test_agents_kept import settings

pytestmark = pytest.mark.anyio

STEP: Mapping[str, Any] = {
    "id": "say",
    "type": "agent",
    "prompt": "{{ inputs.text }}",
    "memory": {"key": "{{ inputs.who }}", "turns": 2},
}


def work(**fields: Any) -> dict[str, Any]:
    texts = {name: {"type": "string", "required": True} for name in ("text", "who")}
    return {"name": "talk", "inputs": texts, "steps": [{**STEP, **fields}]}


def echo(asked: Asked) -> Reply:
    return Reply(f"heard {asked.last}")


def said(asked: Asked) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in asked.messages]


async def talk(house: House, text: str, who: str = "ann", **fields: Any) -> Any:
    return await house.run(work(**fields), {"text": text, "who": who})


async def test_a_conversation_goes_on_with_its_newest_turns_also_after_a_restart(
    tmp_path: Path,
) -> None:
    with ScriptedModel(echo) as server:
        async with open_house(tmp_path, settings(server)) as house:
            for text in ("one", "two"):
                await talk(house, text)
            await talk(house, "other", "bob")
        async with open_house(tmp_path, settings(server)) as house:
            await talk(house, "three")
            ended = await talk(house, "four")

    assert said(server.requests[2]) == [("user", "other")]
    assert said(server.requests[3]) == [
        ("user", "one"),
        ("assistant", "heard one"),
        ("user", "two"),
        ("assistant", "heard two"),
        ("user", "three"),
    ]
    assert [text for _, text in said(server.requests[4])][::2] == ["two", "three", "four"]
    assert ended.steps["say"].output == "heard four"


async def test_only_what_was_accepted_is_remembered(tmp_path: Path) -> None:
    check = {"condition": "output == 'long enough'", "message": "it is too short"}
    replies = [Reply("short"), Reply("long enough"), Reply("x"), Reply("y"), Reply("long enough")]
    with ScriptedModel(replies) as server:
        async with open_house(tmp_path, settings(server)) as house:
            verify = {"attempts": 2, "checks": [check]}
            await talk(house, "one", verify=verify)
            failed = await talk(house, "two", verify=verify)
            await talk(house, "three", verify=verify)

    assert failed.status == "failed"
    texts = [text for _, text in said(server.requests[-1])]
    assert texts == ["one", "long enough", "three"]
    assert [text for _, text in said(server.requests[3])][:4] == ["one", "long enough", "two", "x"]


async def test_an_interrupted_agent_remembers_what_it_did_when_it_began(tmp_path: Path) -> None:
    """Another execution has added to the conversation meanwhile: nothing is asked again."""
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def script(asked: Asked) -> Reply:
        if asked.messages[-1]["role"] == "tool" and not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        if asked.last == "long":
            return Reply.calling("list_files")
        return Reply("said")

    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "1000"}
        async with open_house(tmp_path, environ) as house:
            definition = work(tools=["list_files"])
            started = await house.app.start(definition, {"text": "long", "who": "ann"})
            await held.wait()
        async with open_house(tmp_path, environ) as house:
            await talk(house, "short")
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)
            await talk(house, "last")

    assert ended.status == "completed"
    asked = [said(request) for request in server.requests]
    assert sum(each == [("user", "long")] for each in asked) == 1
    assert [text for _, text in asked[-1]][::2] == ["short", "long", "last"]


async def test_a_conversation_can_be_forgotten(tmp_path: Path) -> None:
    with ScriptedModel(echo) as server:
        async with open_house(tmp_path, settings(server)) as house:
            await talk(house, "one")
            assert await house.app.forget("talk", "ann") == 1
            await talk(house, "two")

    assert said(server.requests[-1]) == [("user", "two")]


async def test_a_key_that_says_nothing_is_nobodys(tmp_path: Path) -> None:
    with ScriptedModel(echo) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await talk(house, "one", " ")

    assert (ended.status, ended.error.code, server.requests) == ("failed", "terminal", [])
    assert "whose conversation" in ended.error.message


def test_the_oldest_turns_are_left_out_whole() -> None:
    size = TURN_LIMIT // 2
    turns = [Turn(str(n), "a" * size, "b" * size, "") for n in range(20)]
    kept = fitting(turns)
    assert [t.id for t in kept] == [str(n) for n in range(20 - len(kept), 20)]
    assert sum(map(len, kept)) <= CONVERSATION_LIMIT < sum(map(len, kept)) + TURN_LIMIT
    assert fitting(turns[:3]) == turns[:3]
    assert fitting([]) == []


def test_a_memory_without_a_key_is_refused() -> None:
    found = problems("- {id: a, type: agent, prompt: Go., memory: {turns: 5}}")
    assert ["the field 'key' is missing" in problem.message for problem in found] == [True]
