"""An agent in the background tells how it gets on, ends in time, and fails where it is joined."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.event import Event, EventType

from ..agents.conftest import alive
from ..deadlines import Deadlines
from ..running import House, open_house, statuses
from ..scripted import Reply, ScriptedModel
from ..scripted_cli import Act, ScriptedCli, answer, init, result, text, use, used
from .lasting import happened
from .test_agents_kept import settings

pytestmark = pytest.mark.anyio


def background(cli: ScriptedCli, **fields: Any) -> dict[str, Any]:
    """One agent beside the list, and two steps that do not wait for it."""
    agent = {
        "id": "aside",
        "type": "agent",
        "prompt": "Look around.",
        "cli": {"command": cli.command, "format": "claude"},
        "security_profile": "trusted",
        "async": True,
        **fields,
    }
    go = {"id": "go", "type": "shell", "command": f"touch '{cli.folder}/go'"}
    return {"name": "w", "steps": [agent, go, {"id": "on", "type": "shell", "command": "echo on"}]}


async def to_the_end(house: House) -> list[Event]:
    """All that is said until an execution has ended."""
    heard = []
    following = house.app.manager.follow()
    try:
        async for event in following:
            heard.append(event)
            if event.type in (EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED):
                break
    finally:
        await following.aclose()  # type: ignore[attr-defined]
    return heard


async def test_it_works_beside_the_list_and_tells_how_it_gets_on(tmp_path: Path) -> None:
    looks = [*answer("m1", text("I look."), use("t", "Read", file="a")), used("t")]
    ends = [{"await": "go"}, *answer("m2", text("Seen.")), result("All seen.")]
    cli = ScriptedCli(tmp_path / "cli", [init(), *looks, *ends])
    async with open_house(tmp_path) as house:
        hearing = asyncio.create_task(to_the_end(house))
        ended = await house.run(background(cli))
        heard = await hearing

    assert ended.steps["aside"].output == "All seen."
    mine = [event for event in heard if event.path == "aside"]
    assert [e.data["text"] for e in mine if e.type is EventType.TOKEN] == ["I look.", "Seen."]
    assert [e.data["tool"] for e in mine if e.type is EventType.OUTPUT] == ["Read"]
    places = [(e.path, e.type) for e in heard]
    completed = EventType.STEP_COMPLETED
    assert places.index(("go", completed)) < places.index(("aside", completed))


async def test_one_that_a_model_drives_ends_its_programs_and_fails_where_it_is_joined(
    tmp_path: Path, deadlines: Deadlines
) -> None:
    """TERM is heard by what its tool had started; nothing is left, and what it thought is told."""
    waits = "trap 'echo bye > farewell; exit' TERM; echo $$ > pid; touch go; sleep 600 & wait"
    agent = {
        "id": "aside",
        "type": "agent",
        "prompt": "Look.",
        "tools": ["run_command"],
        "async": True,
        "guardrails": {"timeout": "1h"},
    }
    go = {"id": "go", "type": "shell", "command": "until test -e go; do sleep 0.02; done"}
    with ScriptedModel([Reply.calling("run_command", command=waits)]) as server:
        async with open_house(tmp_path, settings(server)) as house:
            hearing = asyncio.create_task(to_the_end(house))
            started = await house.start({"name": "w", "steps": [agent, go]})
            await happened(house, started, EventType.STEP_COMPLETED, "go")
            await deadlines.end()
            heard = await hearing
            ended = await house.app.wait(started.id)
            left = int((house.workspace / "pid").read_text())
            said = (house.workspace / "farewell").read_text()

    assert (ended.status, said) == ("failed", "bye\n")
    assert statuses(ended) == {"aside": "failed", "go": "completed"}
    assert ended.steps["aside"].error is not None
    assert ended.steps["aside"].error.code == "limit_reached"
    assert not alive(left)
    assert ended.steps["aside"].cost == ended.cost
    places = [(e.path, e.type) for e in heard]
    begun, gone = ("aside", EventType.OUTPUT), ("aside", EventType.STEP_FAILED)
    assert places.index(begun) < places.index(("go", EventType.STEP_COMPLETED)) < places.index(gone)


@pytest.mark.parametrize("strategy", ["halt", "skip"])
async def test_out_of_time_it_is_asked_to_end_and_its_failure_surfaces_in_the_end(
    tmp_path: Path, deadlines: Deadlines, strategy: str
) -> None:
    acts: list[Act] = [{"farewell": 1}, {"child": "child"}, init(), *answer("m", text("Hm."))]
    cli = ScriptedCli(tmp_path / "cli", [*acts, {"hang": 1}])
    late = {"guardrails": {"timeout": "1h"}, "on_error": strategy}
    async with open_house(tmp_path) as house:
        started = await house.start(background(cli, **late))
        await happened(house, started, EventType.MODEL_CALLED, "aside")
        await deadlines.end()
        ended = await house.app.wait(started.id)
        kept = (await house.app.manager.store.artifacts(execution_id=ended.id)).items
        written = await house.app.manager.services.blobs.get(kept[0].sha256)

    halted = strategy == "halt"
    assert ended.status == ("failed" if halted else "completed")
    assert statuses(ended) == {
        "aside": "failed" if halted else "skipped", "go": "completed", "on": "completed",
    }  # fmt: skip
    assert ended.steps["aside"].error is not None
    assert ended.steps["aside"].error.code == "limit_reached"
    assert ended.cost.calls == 1
    assert (cli.folder / "farewell").exists()
    assert not alive(int((cli.folder / "child").read_text()))
    assert [(a.path, a.name) for a in kept] == [("aside", "transcript")]
    assert b'"Hm."' in written
