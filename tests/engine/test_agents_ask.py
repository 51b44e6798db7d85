"""An agent asks a person, and goes on with the answer however long that took."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

import assay
from assay.graphs.event import EventType

from ..running import House, open_house
from ..scripted import Asked, Reply, ScriptedModel, ToolCall
from .asking import answered, asked
from .test_agents_kept import settings

pytestmark = pytest.mark.anyio

STEP: Mapping[str, Any] = {
    "id": "ship",
    "type": "agent",
    "prompt": "Ship it.",
    "tools": ["ask_human", "write_file"],
}
WORK = {"name": "ship", "steps": [STEP]}

WHEN = ToolCall("ask_human", {"question": "When?", "options": ["now", "later"]}, "when")
NOTE = ToolCall("write_file", {"path": "note.txt", "content": "asked"}, "note")


def told(asked: Asked) -> dict[str, str]:
    """What the model was told of its calls, by their ids."""
    return {m["tool_call_id"]: m["content"] for m in asked.messages if m["role"] == "tool"}


async def test_a_person_answers_after_a_restart_and_nothing_is_done_before(
    tmp_path: Path,
) -> None:
    with ScriptedModel([Reply(tool_calls=[NOTE, WHEN]), Reply("Shipped.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.app.start(WORK)
            question = await asked(house, started, "ship?1.1.ask.1.when")
            assert question.message == "The agent of step 'ship' asks: When?"
            assert not list(house.workspace.iterdir())
        async with open_house(tmp_path, settings(server)) as house:
            await house.app.resume(started.id)
            with pytest.raises(assay.InvalidInput):
                await house.app.manager.answer(question.id, "tomorrow")
            await answered(house, started, question.path, "later", comment="after lunch")
            ended = await house.app.wait(started.id)
            assert (house.workspace / "note.txt").read_text() == "asked"

    assert (ended.status, len(server.requests)) == ("completed", 2)
    assert told(server.requests[1])["when"] == "later (after lunch)"


async def test_who_does_not_want_to_answer_is_heard_too(tmp_path: Path) -> None:
    with ScriptedModel([Reply(tool_calls=[WHEN]), Reply("Never.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.app.start(WORK)
            path = "ship?1.1.ask.1.when"
            await answered(house, started, path, approved=False, comment="ask Bob")
            await house.app.wait(started.id)

    assert told(server.requests[1])["when"] == "error: nobody wants to answer: ask Bob"


async def test_what_was_answered_is_not_asked_again_after_a_later_interruption(
    tmp_path: Path,
) -> None:
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def script(asked: Asked) -> Reply:
        if not told(asked):
            return Reply(tool_calls=[WHEN])
        if not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        return Reply("Shipped.")

    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "1000"}
        async with open_house(tmp_path, environ) as house:
            started = await house.app.start(WORK)
            await answered(house, started, "ship?1.1.ask.1.when", "now")
            await held.wait()
        async with open_house(tmp_path, environ) as house:
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)
            events = [e async for e in house.app.manager.events(ended.id)]

    assert (ended.status, told(server.requests[-1])["when"]) == ("completed", "now")
    assert sum(e.type is EventType.QUESTION_ASKED for e in events) == 1


async def test_an_agent_that_may_not_ask_is_told_so_and_nobody_is_asked(tmp_path: Path) -> None:
    steps = [{**STEP, "guardrails": {"allowed_tools": ["write_file"]}}]
    with ScriptedModel([Reply(tool_calls=[WHEN]), Reply("Well.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run({**WORK, "steps": steps})

    assert ended.status == "completed"
    assert "there is no tool 'ask_human'" in told(server.requests[1])["when"]


async def test_what_is_no_question_is_not_asked(tmp_path: Path) -> None:
    wrong = ToolCall("ask_human", {"question": "", "options": ["only"]}, "wrong")
    with ScriptedModel([Reply(tool_calls=[wrong]), Reply("Well.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(WORK)

    assert ended.status == "completed"
    assert told(server.requests[1])["wrong"].startswith("error: that is no question: ")


async def test_a_function_of_the_app_is_a_tool_of_its_agents(tmp_path: Path) -> None:
    steps = [{**STEP, "tools": ["stock", "reserve", "cancel"]}]
    calls = [
        ToolCall("stock", {"item": "nail"}, "a"),
        ToolCall("reserve", {"item": "nail"}, "b"),
        ToolCall("cancel", {"item": "nail"}, "c"),
    ]
    with ScriptedModel([Reply(tool_calls=calls), Reply("Done.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            _bring(house)
            ended = await house.run({**WORK, "steps": steps})

    assert told(server.requests[1]) == {"a": "7", "b": "nail is yours", "c": "true"}
    assert not any("no tool is called" in notice for notice in ended.notices)


def _bring(house: House) -> None:
    @house.app.tool
    def stock(item: Annotated[str, Field(description="Its name.")]) -> int:
        """How many there are."""
        return 3 + len(item)

    @house.app.tool("reserve", profile="trusted")
    async def keep(item: str) -> str:
        """Keep one."""
        return f"{item} is yours"

    def cancel(item: str) -> bool:
        """Let it go."""
        return bool(item)

    assert house.app.tool("cancel", cancel) is cancel
    assert (stock("ab"), keep.__name__) == (5, "keep")
