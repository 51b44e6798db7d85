"""Agents that note facts, and find them again in later executions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.memory import FACT_LIMIT, Fact

from ..running import House, open_house, problems
from ..scripted import Asked, Reply, ScriptedModel, ToolCall
from .test_agents_kept import settings

pytestmark = pytest.mark.anyio

STEP: Mapping[str, Any] = {
    "id": "help",
    "type": "agent",
    "prompt": "Help {{ inputs.who }}.",
    "tools": ["remember", "recall"],
    "memory": {"key": "{{ inputs.who }}"},
}


def work(name: str = "desk", **fields: Any) -> dict[str, Any]:
    inputs = {"who": {"type": "string", "default": "ann"}}
    return {"name": name, "inputs": inputs, "steps": [{**STEP, **fields}]}


def noting(name: str, fact: str) -> Reply:
    return Reply.calling("remember", name=name, fact=fact)


def facts(result: str) -> list[tuple[str, str]]:
    return [(f["name"], f["fact"]) for f in map(json.loads, result.splitlines())]


Run = tuple[Mapping[str, Any], Mapping[str, Any]]


async def play(folder: Path, runs: Sequence[Run], script: Any) -> Any:
    """Run each definition in a process of its own; all that the model was asked."""
    with ScriptedModel(script) as server:
        for definition, inputs in runs:
            async with open_house(folder, settings(server)) as house:
                ended = await house.run(definition, inputs)
                assert ended.status == "completed", ended.error
        return server.requests


async def test_a_fact_is_found_again_by_a_later_execution_with_the_same_key_alone(
    tmp_path: Path,
) -> None:
    script = [noting("printer", "It is on floor 3."), Reply("ok")]
    for _ in range(3):
        script += [Reply.calling("recall", query="where is the printer"), Reply("ok")]
    runs = [
        (work(), {"who": "ann"}),
        (work(), {"who": "ann"}),
        (work(), {"who": "bob"}),
        (work("other"), {"who": "ann"}),
    ]
    asked = await play(tmp_path, runs, script)
    assert asked[1].results == ["noted: printer"]
    assert facts(asked[3].results[0]) == [("printer", "It is on floor 3.")]
    assert asked[5].results == asked[7].results == ["nothing is noted"]


async def test_a_fact_is_noted_anew_and_forgotten(tmp_path: Path) -> None:
    calls = [("size", "39"), ("size", "40"), ("floor", "3"), ("floor", "")]
    said = ToolCall("recall", {}, "last")
    script = [*(noting(*call) for call in calls), Reply(tool_calls=[said]), Reply("ok")]
    asked = await play(tmp_path, [(work(), {})], script)
    assert asked[4].results[-1] == "forgotten: floor"
    assert facts(asked[5].results[-1]) == [("size", "40")]


async def test_what_is_no_fact_goes_back_to_the_model(tmp_path: Path) -> None:
    script = [noting("", "x"), noting("long", "x" * (FACT_LIMIT + 1)), Reply("ok")]
    asked = await play(tmp_path, [(work(), {})], script)
    assert len(asked[2].results) == 2
    assert all("error" in result.lower() for result in asked[2].results)


async def test_no_secret_is_noted(tmp_path: Path) -> None:
    with ScriptedModel([noting("code", "open-sesame-42"), Reply("ok")]) as server:
        environ = {**settings(server), "ASSAY_SECRET_CODE": "open-sesame-42"}
        async with open_house(tmp_path, environ) as house:
            await house.run(work())
            (noted,) = await house.app.manager.store.facts("desk", "ann")
    assert noted.text == "[secret code]"


async def test_they_are_offered_to_agents_that_may_have_them_and_have_a_memory(
    tmp_path: Path,
) -> None:
    only = {"allowed_tools": ["recall"]}
    runs: list[Run] = [(work(guardrails=only), {}), (work(security_profile="restricted"), {})]
    asked = await play(tmp_path, runs, [noting("a", "b"), Reply("ok"), Reply("ok")])
    assert asked[0].tools == ["recall"]
    assert "there is no tool 'remember'" in asked[1].results[0]
    assert sorted(asked[2].tools) == ["recall", "remember"]
    found = problems("- {id: a, type: agent, prompt: Go., tools: [recall]}")
    assert [problem.message for problem in found] == [
        "'recall' needs a `memory`: say whose, by its `key`"
    ]


@pytest.mark.parametrize("workspace", ["folder", "snapshot"])
async def test_an_interrupted_agent_reads_the_facts_that_it_has_read(
    tmp_path: Path, workspace: str
) -> None:
    """Another execution notes more meanwhile; no finished call is made again."""
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def script(asked: Asked) -> Reply:
        last = asked.messages[-1]
        if last["role"] == "tool" and "slow" in str(asked.messages) and not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        if last["role"] == "tool":
            return Reply("ok")
        return Reply.calling("recall") if "slow" in asked.last else noting("later", "x")

    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "1000"}
        slow = {**work(prompt="slow"), "workspace": {"mode": workspace}}
        async with open_house(tmp_path, environ) as house:
            await house.app.manager.store.note("desk", "ann", noted())
            started = await house.app.start(slow)
            await held.wait()
        async with open_house(tmp_path, environ) as house:
            await house.run(work())
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)

    assert ended.status == "completed"
    mine = [r for r in server.requests if "slow" in str(r.messages)]
    assert [len(r.results) for r in mine].count(0) == 1
    assert {tuple(r.results) for r in mine[1:]} == {tuple(mine[1].results)}
    assert facts(mine[-1].results[0]) == [("before", "y")]


def noted() -> Fact:
    return Fact("before", "y", "2026-11-21T09:30:00.000000Z")


async def test_facts_are_forgotten_with_the_conversation(tmp_path: Path) -> None:
    with ScriptedModel([noting("a", "b"), Reply("ok")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            await house.run(work())
            assert await forgotten(house) == [2, 0]
            assert await house.app.manager.store.facts("desk", "ann") == []


async def forgotten(house: House) -> list[int]:
    return [await house.app.forget("desk", "ann") for _ in range(2)]
