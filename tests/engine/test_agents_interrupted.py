"""Agents whose process is killed, or is left while a person thinks: what they had is not lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import assay
from assay.graphs.event import EventType
from assay.graphs.question import Question

from ..running import House, open_app, store_url
from ..scripted import Asked, Reply, ScriptedModel, ToolCall
from .asking import answered
from .test_agents_kept import FIRST, done, settings
from .test_budgets import agents, codes, said

pytestmark = pytest.mark.anyio

ASKED = """
import asyncio, json, os, signal, sys
import assay
from assay.graphs.execution import Status

async def main(url, home, workspace, document):
    async with assay.open(url, home=home, workspace=workspace) as app:
        started = await app.start(json.loads(document))
        print(started.id, flush=True)
        await app.manager.wait(started.id, until=[Status.WAITING])
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""
"""Killed as soon as the execution waits."""

MORTAL = FIRST.replace(
    "import assay\n", "import assay, os\nos.environ['KILLED'] = str(os.getpid())\n"
)
"""Its steps know whom to kill."""


CALLED = """
import asyncio, json, os, signal, sys
import assay

async def main(url, home, workspace, document):
    async with assay.open(url, home=home, workspace=workspace) as app:
        following = app.manager.follow()
        started = await app.start(json.loads(document))
        print(started.id, flush=True)
        async for event in following:
            if event.type == "ToolCalled":
                os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""
"""Killed as soon as a tool has been called."""


class Left(NamedTuple):
    """An execution whose process is gone."""

    id: str
    folder: Path
    environ: Mapping[str, str]

    def open(self) -> Any:
        """Another process, as far as the store can tell."""
        workspace = self.folder / "workspace"
        return open_app(self.folder / "home", workspace=workspace, environ=self.environ)


async def left(
    folder: Path,
    server: ScriptedModel,
    program: str,
    work: Mapping[str, Any],
    running: list[int] | None = None,
) -> Left:
    """What a process has begun that was killed; its id is put into `running`, if that is given."""
    (folder / "workspace").mkdir(exist_ok=True)
    environ = {**os.environ, **settings(server), "ASSAY_MODEL_RETRIES": "0"}
    home, workspace = folder / "home", folder / "workspace"
    given = (store_url(home), str(home), str(workspace), json.dumps(work))
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *given), stdout=asyncio.subprocess.PIPE, env=environ
    )
    if running is not None:
        running.append(killed.pid)
    assert killed.stdout is not None
    id = (await killed.stdout.readline()).decode().strip()
    assert await killed.wait() == -signal.SIGKILL
    return Left(id, folder, environ)


async def one_question(app: assay.App, id: str) -> Question:
    (question,) = [q for q in (await app.manager.questions(execution_id=id)).items if not q.timed]
    return question


def work(*tools: str, **more: Any) -> dict[str, Any]:
    step = {"id": "fix", "type": "agent", "prompt": "Work.", "tools": list(tools), **more}
    return {"name": "work", "steps": [step]}


BOTH = Reply(
    tool_calls=[
        ToolCall("write_file", {"path": "a.txt", "content": "a"}, "one"),
        ToolCall("run_command", {"command": "echo b >> b.txt"}, "two"),
    ]
)


@pytest.mark.parametrize("approved", [True, False])
async def test_a_call_is_approved_when_nobody_runs_and_made_once(
    tmp_path: Path, approved: bool
) -> None:
    """Killed while the question is open; answered before anybody goes on with it."""
    guardrails = {"guardrails": {"ask_before": ["run_command"]}}
    with ScriptedModel([BOTH, Reply("Done.")]) as server:
        gone = await left(tmp_path, server, ASKED, work("write_file", "run_command", **guardrails))
        async with gone.open() as app:
            question = await one_question(app, gone.id)
            assert "wants to call run_command(command='echo b >> b.txt')" in question.message
            await app.manager.answer(question.id, approved=approved, by="ann")
            await app.resume(gone.id)
            ended = await app.wait(gone.id)
            events = [event async for event in app.manager.events(gone.id)]

    assert (ended.status, len(server.requests)) == ("completed", 2)
    written = tmp_path / "workspace" / "b.txt"
    assert (written.read_text() if approved else written.exists()) == ("b\n" if approved else False)
    assert sum(event.type is EventType.QUESTION_ASKED for event in events) == 1
    told = [m["content"] for m in server.requests[1].messages if m["role"] == "tool"]
    assert ("a person said no" in told[1]) is not approved


@pytest.mark.parametrize("turn", [0, 2])
async def test_killed_while_a_tool_works_no_model_is_asked_again(tmp_path: Path, turn: int) -> None:
    """The tool that was cut off is called again, for nobody knows how far it came."""
    deadly = 'echo begun >> log; test -e again || { touch again; kill -9 "$KILLED"; sleep 60; }'

    def script(asked: Asked) -> Reply:
        if done(asked) == 3:
            return Reply("Done.")
        command = deadly if done(asked) == turn else "echo fine >> log"
        return Reply(tool_calls=[ToolCall("run_command", {"command": command}, f"c{done(asked)}")])

    with ScriptedModel(script) as server:
        gone = await left(tmp_path, server, MORTAL, work("run_command"))
        async with gone.open() as app:
            await app.resume(gone.id)
            ended = await app.wait(gone.id)

    assert (ended.status, ended.steps["fix"].output) == ("completed", "Done.")
    assert [done(request) for request in server.requests] == [0, 1, 2, 3]
    said = (tmp_path / "workspace" / "log").read_text().split()
    assert said == ["fine"] * turn + ["begun"] * 2 + ["fine"] * (2 - turn)
    assert ended.cost.calls == 4


async def test_of_calls_at_once_only_what_was_cut_off_is_made_again(tmp_path: Path) -> None:
    cut = "test -e again && exit; touch again; sleep 60"
    calls = [
        ToolCall("run_command", {"command": "echo once >> one"}, "one"),
        ToolCall("run_command", {"command": cut}, "two"),
    ]
    with ScriptedModel([Reply(tool_calls=calls), Reply("Done.")]) as server:
        gone = await left(tmp_path, server, CALLED, work("run_command"))
        async with gone.open() as app:
            await app.resume(gone.id)
            ended = await app.wait(gone.id)

    assert (ended.status, len(server.requests)) == ("completed", 2)
    assert (tmp_path / "workspace" / "one").read_text() == "once\n"


@pytest.mark.parametrize("approved", [True, False])
async def test_more_budget_is_granted_when_nobody_runs(tmp_path: Path, approved: bool) -> None:
    """Nothing that was paid for is paid again, and the grant counts once."""
    document = agents(3, budget={"tokens": 170, "on_exceeded": "ask"})
    with ScriptedModel(said) as server:
        gone = await left(tmp_path, server, ASKED, document)
        paid = len(server.requests)
        async with gone.open() as app:
            question = await one_question(app, gone.id)
            assert "May it spend 170 tokens more?" in question.message
            await app.manager.answer(question.id, approved=approved)
            await app.resume(gone.id)
            if approved:
                house = House(app, tmp_path / "workspace")
                await answered(house, await app.manager.get(gone.id), "?budget2")
            ended = await app.wait(gone.id)

    assert paid == 1
    assert len(server.requests) == (3 if approved else 1)
    assert codes(ended) == ([None] * 3 if approved else [None, *["budget_spent"] * 2])
    assert ended.cost.calls == len(server.requests)


FAULTS: Mapping[str, Reply] = {
    "cut in the middle": Reply("one two three four", cut_after=2),
    "cut before a word": Reply("one", cut_after=0),
    "without an end": Reply("half of it", finish=None),
    "busy": Reply("wait", status=429),
    "broken": Reply("no", status=503),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_next_model_is_asked_when_an_answer_breaks_off(
    tmp_path: Path, fault: str
) -> None:
    """Also in a later turn; the next one begins anew."""

    def script(asked: Asked) -> Reply:
        first = asked.body["model"] == "first"
        if not done(asked):
            return Reply.calling("write_file", path="a.txt", content="a")
        return FAULTS[fault] if first else Reply("Here.")

    document = work("write_file", model=["first", "second"])
    with ScriptedModel(script) as server:
        environ = {**settings(server), "ASSAY_MODEL_RETRIES": "0"}
        (tmp_path / "workspace").mkdir()
        async with open_app(
            tmp_path / "home", workspace=tmp_path / "workspace", environ=environ
        ) as app:
            ended = await app.wait((await app.start(document)).id)

    assert (ended.status, ended.steps["fix"].output) == ("completed", "Here.")
    assert any("asked 'second' instead" in notice for notice in ended.notices)
    assert {r.body["model"] for r in server.requests} == {"first", "second"}


async def test_killed_while_another_model_stands_in_the_first_is_not_asked_again(
    tmp_path: Path,
) -> None:
    """It is well again by then; what the other has thought and done counts all the same."""
    running: list[int] = []

    def script(asked: Asked) -> Reply:
        if asked.body["model"] == "first":
            return Reply("one two three", cut_after=None if killed else 1)
        if done(asked) == 1 and not killed:
            killed.append(True)
            os.kill(running.pop(), signal.SIGKILL)
        if not done(asked):
            return Reply.calling("write_file", path="a.txt", content="a")
        return Reply("Here.")

    killed: list[bool] = []
    document = work("write_file", model=["first", "second"])
    with ScriptedModel(script) as server:
        gone = await left(tmp_path, server, FIRST, document, running)
        async with gone.open() as app:
            await app.resume(gone.id)
            ended = await app.wait(gone.id)

    models = [request.body["model"] for request in server.requests]
    assert models == ["first", "second", "second", "second"]  # the last one was cut off
    assert (ended.status, ended.steps["fix"].output) == ("completed", "Here.")
    assert ended.cost.calls == 2
    assert any("asked 'second' instead" in notice for notice in ended.notices)


def asked_again(asked: Asked) -> int:
    """How often the model has been told what was wrong."""
    return [message["role"] for message in asked.messages].count("user") - 1


CHECK = {"checks": [{"condition": "output.size() > 5", "message": "too short"}], "attempts": 3}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ROUNDS: Mapping[str, Mapping[str, Any]] = {
    "verify": {"verify": CHECK},
    "a form": {"output": SCHEMA},
}


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("refused_by", ROUNDS)
async def test_killed_while_an_answer_is_mended_no_earlier_one_is_asked_for_again(
    tmp_path: Path, refused_by: str, at: int
) -> None:
    running: list[int] = []

    def script(asked: Asked) -> Reply:
        if asked_again(asked) == at and running:
            os.kill(running.pop(), signal.SIGKILL)
        return Reply('{"n": 1}' if asked_again(asked) == 2 else "bad")

    with ScriptedModel(script) as server:
        gone = await left(tmp_path, server, FIRST, work(**ROUNDS[refused_by]), running)
        async with gone.open() as app:
            await app.resume(gone.id)
            ended = await app.wait(gone.id)

    assert ended.status == "completed", ended.error
    assert sorted(map(asked_again, server.requests)) == sorted([0, 1, 2, at])
    assert ended.cost.calls == 3


async def test_killed_while_an_assertion_is_repaired_no_earlier_answer_is_asked_for_again(
    tmp_path: Path,
) -> None:
    running: list[int] = []

    def script(asked: Asked) -> Reply:
        if "it is short" not in json.dumps(asked.messages):
            return Reply("bad")
        if running:
            os.kill(running.pop(), signal.SIGKILL)
        return Reply("long enough")

    check = {
        "id": "check",
        "type": "assert",
        "condition": "fix.output.size() > 5",
        "message": "it is short",
        "on_false": "repair",
        "repair": True,
    }
    document = work()
    document["steps"].append(check)
    with ScriptedModel(script) as server:
        gone = await left(tmp_path, server, FIRST, document, running)
        async with gone.open() as app:
            await app.resume(gone.id)
            ended = await app.wait(gone.id)

    assert ended.status == "completed", ended.error
    assert [ended.steps[path].output for path in ("fix", "fix~2")] == ["bad", "long enough"]
    assert len(server.requests) == 3
    assert ended.cost.calls == 2
