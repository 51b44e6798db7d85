"""What an agent has thought and done is kept: a crash repeats none of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.event import EventType

from ..running import open_house, store_url
from ..scripted import Asked, Reply, ScriptedModel, ToolCall
from .asking import answered, asked

pytestmark = pytest.mark.anyio

TURNS = 5

WORK: Mapping[str, Any] = {
    "name": "work",
    "steps": [
        {
            "id": "fix",
            "type": "agent",
            "prompt": "Work.",
            "tools": ["write_file"],
            "guardrails": {"max_iterations": 20},
        }
    ],
}

FIRST = """
import asyncio, json, sys
import assay

async def main(url, home, workspace, document):
    async with assay.open(url, home=home, workspace=workspace) as app:
        started = await app.start(json.loads(document))
        print(started.id, flush=True)
        await app.wait(started.id)

asyncio.run(main(*sys.argv[1:]))
"""


class Nameless(ToolCall):
    """With the id that it says, also where that is none."""

    def named(self, index: int) -> str:
        return self.id


def settings(server: ScriptedModel) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "ASSAY_MODEL": "scripted", "ASSAY_BASE_URL": server.url}


def done(asked: Asked) -> int:
    """How many tools have been called by the time that this is asked."""
    return sum(message["role"] == "tool" for message in asked.messages)


def next_file(asked: Asked) -> Reply:
    """Writes one file after another, and then answers."""
    number = done(asked)
    if number == TURNS:
        return Reply("All is written.")
    return Reply.calling("write_file", path=f"{number}.txt", content=f"{number}\n")


@pytest.mark.parametrize("at", range(TURNS + 1))
async def test_killed_while_the_model_thinks_no_earlier_thought_is_repeated(
    tmp_path: Path, at: int
) -> None:
    running: list[int] = []

    def script(asked: Asked) -> Reply:
        if running and done(asked) == at:
            os.kill(running.pop(), signal.SIGKILL)
        return next_file(asked)

    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with ScriptedModel(script) as server:
        environ = {**os.environ, **settings(server)}
        url, home = store_url(tmp_path), tmp_path / "home"
        killed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FIRST, url, str(home), str(workspace), json.dumps(WORK)),
            stdout=asyncio.subprocess.PIPE,
            env=environ,
        )
        running.append(killed.pid)
        assert killed.stdout is not None
        id = (await killed.stdout.readline()).decode().strip()
        assert await killed.wait() == -signal.SIGKILL
        async with assay.open(url, home=home, workspace=workspace, environ=environ) as app:
            await app.resume(id)
            ended = await app.wait(id)
            events = [event async for event in app.manager.events(id)]

    counted = Counter(done(request) for request in server.requests)
    assert counted == Counter([*range(TURNS + 1), at])  # only the one that was cut off, again
    assert (ended.status, ended.steps["fix"].output) == ("completed", "All is written.")
    assert ended.cost.calls == TURNS + 1
    kinds = Counter(event.type for event in events)
    assert (kinds[EventType.MODEL_CALLED], kinds[EventType.TOOL_CALLED]) == (TURNS + 1, TURNS)
    assert sorted(path.name for path in workspace.iterdir()) == [f"{n}.txt" for n in range(TURNS)]


async def test_in_a_workspace_that_begins_anew_tools_are_called_again(tmp_path: Path) -> None:
    """The files of a step that was cut off are gone: what wrote them has to write them again."""
    held = asyncio.Event()

    def script(asked: Asked) -> Reply:
        if done(asked) == TURNS and not held.is_set():
            loop.call_soon_threadsafe(held.set)
            return Reply("too late", cut_after=0)
        return next_file(asked)

    loop = asyncio.get_running_loop()
    work = {**WORK, "workspace": {"mode": "snapshot"}}
    list_files = {"id": "list", "type": "shell", "command": "ls *.txt | wc -l"}
    work["steps"] = [*WORK["steps"], list_files]
    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "1000"}
        async with open_house(tmp_path, environ) as house:
            started = await house.app.start(work)
            await held.wait()
        async with open_house(tmp_path, environ) as house:
            await house.app.resume(started.id)
            ended = await house.app.wait(started.id)

    assert (ended.status, ended.steps["list"].output.strip()) == ("completed", str(TURNS))
    counted = Counter(done(request) for request in server.requests)
    assert [counted[number] for number in range(TURNS)] == [1] * TURNS


async def test_an_answer_that_was_refused_goes_back_in_the_same_conversation(
    tmp_path: Path,
) -> None:
    work = {
        "name": "work",
        "steps": [
            {
                "id": "say",
                "type": "agent",
                "prompt": "Say it.",
                "verify": {
                    "attempts": 3,
                    "checks": [{"condition": "output.size() > 5", "message": "it is too short"}],
                },
            }
        ],
    }
    with ScriptedModel([Reply("a"), Reply("bb"), Reply("long enough")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(work)
            events = [e async for e in house.app.manager.events(ended.id)]

    assert ended.steps["say"].output == "long enough"
    last = [(m["role"], m["content"]) for m in server.requests[-1].messages]
    assert [role for role, _ in last] == ["user", "assistant", "user", "assistant", "user"]
    assert [text for role, text in last if role == "assistant"] == ["a", "bb"]
    assert all("it is too short" in text for role, text in last[2:] if role == "user")
    verdicts = [e.data for e in events if e.type is EventType.VERIFIED]
    assert [(v["attempt"], v["passed"], v["wrong"]) for v in verdicts] == [
        (1, False, ["it is too short"]),
        (2, False, ["it is too short"]),
        (3, True, []),
    ]
    assert (ended.cost.calls, ended.cost.input_tokens) == (3, 33)


async def test_a_tool_is_called_when_a_person_said_yes_also_after_a_restart(
    tmp_path: Path,
) -> None:
    steps = [{**WORK["steps"][0], "guardrails": {"ask_before": ["write_file"]}}]
    calls = Reply(tool_calls=[
        ToolCall("write_file", {"path": "a.txt", "content": "a"}, "one"),
        ToolCall("write_file", {"path": "b.txt", "content": "b"}, "two"),
    ])  # fmt: skip
    with ScriptedModel([calls, Reply("Done.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.app.start({"name": "work", "steps": steps})
            first = await answered(house, started, "fix?1.1.1.one")
            assert "write_file(path='a.txt', content='a')" in first.message
            assert not list(house.workspace.iterdir())
        async with open_house(tmp_path, settings(server)) as house:
            await house.app.resume(started.id)
            await answered(house, started, "fix?1.1.1.two", approved=False, comment="not b")
            ended = await house.app.wait(started.id)
            written = [path.name for path in house.workspace.iterdir()]

    assert (ended.status, written, len(server.requests)) == ("completed", ["a.txt"], 2)
    told = [m["content"] for m in server.requests[-1].messages if m["role"] == "tool"]
    assert told[1] == "error: a person said no: not b"


@pytest.mark.parametrize("id", ["same", ""])
async def test_calls_of_one_turn_are_allowed_each_by_itself_also_when_their_ids_are_the_same(
    tmp_path: Path, id: str
) -> None:
    """Not every server gives each call an id of its own, and some give none."""
    steps = [{**WORK["steps"][0], "guardrails": {"ask_before": ["write_file"]}}]
    calls = Reply(tool_calls=[
        Nameless("write_file", {"path": "a.txt", "content": "a"}, id),
        Nameless("write_file", {"path": "b.txt", "content": "b"}, id),
    ])  # fmt: skip
    first = id or "call"
    with ScriptedModel([calls, Reply("Done.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.app.start({"name": "work", "steps": steps})
            await answered(house, started, f"fix?1.1.1.{first}")
            second = await answered(house, started, f"fix?1.1.1.{first}-2", approved=False)
            ended = await house.app.wait(started.id)
            written = [path.name for path in house.workspace.iterdir()]

    assert "b.txt" in second.message
    assert (ended.status, written) == ("completed", ["a.txt"])
    told = [m["content"] for m in server.requests[-1].messages if m["role"] == "tool"]
    assert told == ["wrote 1 bytes to a.txt", "error: a person said no"]


async def test_who_is_asked_sees_the_whole_of_a_long_command(tmp_path: Path) -> None:
    steps = [{**WORK["steps"][0], "guardrails": {"ask_before": ["write_file"]}}]
    long = f"{'harmless ' * 300}and this"
    call = Reply(tool_calls=[ToolCall("write_file", {"path": "a", "content": long}, "one")])
    with ScriptedModel([call, Reply("Done.")]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.app.start({"name": "work", "steps": steps})
            question = await answered(house, started, "fix?1.1.1.one", approved=False)
            await house.app.wait(started.id)

    assert "and this" in question.message


async def test_the_next_model_is_asked_when_one_does_not_answer(tmp_path: Path) -> None:
    steps = [{"id": "say", "type": "agent", "prompt": "Say it.", "model": ["first", "second"]}]

    def script(asked: Asked) -> Reply:
        return Reply("no", status=500) if asked.body["model"] == "first" else Reply("Here.")

    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "0"}
        async with open_house(tmp_path, environ) as house:
            ended = await house.run({"name": "work", "steps": steps})

    assert (ended.status, ended.steps["say"].output) == ("completed", "Here.")
    assert any("asked 'second' instead" in notice for notice in ended.notices)


async def test_what_a_model_is_unsure_of_a_person_decides(tmp_path: Path) -> None:
    options = {"id": "where", "type": "decide", "prompt": "Where?", "options": ["a", "b"]}
    unsure = Reply.of_json({"option": "a", "confidence": 0.3, "reason": "a guess"})
    with ScriptedModel([unsure]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.start({"name": "w", "steps": [{**options, "threshold": 0.5}]})
            question = await asked(house, started, "where")
            with pytest.raises(assay.InvalidInput):
                await house.app.manager.answer(question.id, "c")
            await house.app.manager.answer(question.id, "b")
            ended = await house.app.wait(started.id)

    assert "it would pick 'a', for a guess" in question.message
    assert (ended.status, ended.steps["where"].output) == ("completed", "b")
