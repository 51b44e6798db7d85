"""A coding agent's command line as a step: bounded, paid for, kept, checked, and never left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.graphs.event import EventType

from ..agents.conftest import alive
from ..deadlines import Deadlines
from ..running import House, open_house, refused, store_url
from ..scripted_cli import SESSION, Act, ScriptedCli, answer, init, result, simply, text, use, used
from .asking import asked
from .lasting import happened

pytestmark = pytest.mark.anyio


def settings(cli: ScriptedCli) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "ASSAY_CLI_CLAUDE": shlex.join(cli.command)}


def work(*, guardrails: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One step that Claude Code does."""
    step = {"id": "fix", "type": "claude_code", "prompt": "Fix it. " * 15}
    more = {"security_profile": "trusted", "guardrails": guardrails or {}}
    return {"name": "work", "steps": [{**step, **more, **fields}]}


def turns(count: int, tokens: tuple[int, int] = (100, 50)) -> list[Act]:
    """So many answers, each of which uses a tool."""
    each = (
        [*answer(f"m{n}", use(f"t{n}", "Read", file=str(n)), tokens=tokens), used(f"t{n}")]
        for n in range(count)
    )
    return [line for lines in each for line in lines]


async def test_its_answer_its_cost_and_all_it_wrote_are_the_steps(tmp_path: Path) -> None:
    cli = ScriptedCli(
        tmp_path / "cli",
        [init(), *turns(1), *answer("end", text("Fixed.")), result("Fixed.", usd=0.25)],
    )
    async with open_house(tmp_path, settings(cli)) as house:
        ended = await house.run(work())
        events = [event async for event in house.app.manager.events(ended.id)]
        kept = ended.steps["fix"].artifacts["transcript"]
        written = await house.app.manager.services.blobs.get(kept["sha256"])
        lines = [json.loads(line) for line in written.splitlines()]

    fix = ended.steps["fix"]
    assert (ended.status, fix.output) == ("completed", "Fixed.")
    assert fix.cost is not None
    assert (fix.cost.input_tokens, fix.cost.output_tokens, fix.cost.calls) == (200, 60, 2)
    assert fix.cost.usd == pytest.approx(0.25)
    assert (lines[0]["session_id"], lines[-1]["result"]) == (SESSION, "Fixed.")
    assert ended.artifacts["fix.transcript"] == kept
    kinds = [event.type for event in events]
    assert kinds.count(EventType.MODEL_CALLED) == 3  # Two answers, and what the last word added.
    assert [e.data["tool"] for e in events if e.type is EventType.TOOL_CALLED] == ["claude"]


async def test_what_verify_refuses_goes_back_in_the_same_session(tmp_path: Path) -> None:
    checks = [{"condition": "output.size() > 5", "message": "it is too short"}]
    cli = ScriptedCli(tmp_path / "cli", simply("a"), simply("long enough"))
    async with open_house(tmp_path, settings(cli)) as house:
        ended = await house.run(work(verify={"attempts": 2, "checks": checks}))

    first, second = cli.starts
    assert ended.steps["fix"].output == "long enough"
    assert "--resume" not in first.arguments
    assert second.after("--resume") == SESSION
    assert "it is too short" in second.told


@pytest.mark.parametrize(
    ("field", "code"),
    [({"guardrails": {"timeout": "1h"}}, "limit_reached"), ({"timeout": "1h"}, "timeout")],
)
async def test_one_that_takes_too_long_is_ended_with_all_it_started(
    tmp_path: Path, deadlines: Deadlines, field: dict[str, Any], code: str
) -> None:
    acts: list[Act] = [{"child": "child"}, init(), *turns(1), {"hang": 1}]
    cli = ScriptedCli(tmp_path / "cli", acts)
    async with open_house(tmp_path, settings(cli)) as house:
        started = await house.start(work(**field))
        await happened(house, started, EventType.MODEL_CALLED, "fix")
        await deadlines.end()
        ended = await house.app.wait(started.id)

    assert ended.error is not None
    assert ended.error.code == code
    assert not alive(cli.starts[0].pid)
    assert not alive(int((cli.folder / "child").read_text()))
    assert ended.cost.input_tokens == 100  # What it had used is paid for.


async def test_it_is_ended_when_its_tokens_are_used_up(tmp_path: Path) -> None:
    cli = ScriptedCli(tmp_path / "cli", [init(), *turns(9), {"hang": 1}])
    async with open_house(tmp_path, settings(cli)) as house:
        ended = await house.run(work(guardrails={"max_tokens": 400}))

    assert ended.error is not None
    assert ended.error.code == "limit_reached"
    assert ended.cost.input_tokens + ended.cost.output_tokens == 300
    assert not alive(cli.starts[0].pid)


async def test_it_is_ended_when_the_budget_is_spent(tmp_path: Path) -> None:
    cli = ScriptedCli(tmp_path / "cli", [init(), *turns(9), {"hang": 1}])
    async with open_house(tmp_path, settings(cli)) as house:
        ended = await house.run({**work(), "budget": {"tokens": 400}})

    assert ended.error is not None
    assert ended.error.code == "budget_spent"
    assert not alive(cli.starts[0].pid)


async def gone(pid: int) -> None:
    """As soon as the process has ended, which may be under way; whoever started it reaps it."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            await asyncio.to_thread(select.select, [handle], [], [], 10)
        finally:
            os.close(handle)
    assert not alive(pid)


async def test_an_answer_that_is_there_already_is_taken_though_no_more_could_be_paid(
    tmp_path: Path,
) -> None:
    """It has said its last word by the time that the first is heard."""
    acts: list[Act] = [init(), *turns(2), result("Fixed.")]
    at_once = "".join(json.dumps(act["line"]) + "\n" for act in acts)
    cli = ScriptedCli(tmp_path / "cli", [{"raw": at_once}])
    async with open_house(tmp_path, settings(cli)) as house:
        ended = await house.run(work(guardrails={"max_tokens": 400}))

    assert (ended.status, ended.steps["fix"].output) == ("completed", "Fixed.")
    assert ended.cost.input_tokens == 200


async def test_a_result_that_is_reused_has_its_transcript(tmp_path: Path) -> None:
    cli = ScriptedCli(tmp_path / "cli", simply("Fixed."))
    async with open_house(tmp_path, settings(cli)) as house:
        first = await house.run(work(cache={"key": "same"}))
        again = await house.run(work(cache={"key": "same"}))

    assert (again.status, again.steps["fix"].cached) == ("completed", True)
    assert again.artifacts == first.artifacts
    assert len(cli.starts) == 1


async def test_in_a_workspace_that_begins_anew_it_does_its_work_again(tmp_path: Path) -> None:
    """What it wrote before it was cut off is gone; so is what it believes to have done."""
    writes: list[Act] = [{"file": ["done.txt", "1"]}]
    cli = ScriptedCli(
        tmp_path / "cli", [*writes, init(), *turns(1), {"hang": 1}], [*writes, *simply("Fixed.")]
    )
    document = {**work(), "workspace": {"mode": "snapshot"}}
    count = {"id": "count", "type": "shell", "command": "cat done.txt"}
    document["steps"] = [*document["steps"], count]
    ended = await killed_and_resumed(tmp_path, cli, document, at=EventType.MODEL_CALLED)

    assert (ended.status, ended.steps["count"].output) == ("completed", "1")
    assert "--resume" not in cli.starts[1].arguments
    assert ended.cost.input_tokens == 200


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes")
async def test_while_a_person_is_asked_for_more_it_does_not_run_and_then_goes_on(
    tmp_path: Path,
) -> None:
    cli = ScriptedCli(tmp_path / "cli", [init(), *turns(2), {"hang": 1}], simply("Fixed."))
    async with open_house(tmp_path, settings(cli)) as house:
        budget = {"tokens": 400, "on_exceeded": "ask"}
        started = await house.start({**work(), "budget": budget})
        question = await asked(house, started, "?budget1")
        await gone(cli.starts[0].pid)
        await house.app.manager.answer(question.id)
        ended = await house.app.wait(started.id)

    _, again = cli.starts
    assert (ended.status, ended.steps["fix"].output) == ("completed", "Fixed.")
    assert again.after("--resume") == SESSION
    assert again.told.startswith("You were interrupted.")


FIRST = """
import asyncio, json, os, signal, sys
import assay

async def main(url, home, workspace, kind, count, document):
    async with assay.open(url, home=home, workspace=workspace) as app:
        ending = asyncio.create_task(end(app, kind, int(count)))
        started = await app.start(json.loads(document))
        print(started.id, flush=True)
        await ending

async def end(app, kind, left):
    async for event in app.manager.follow():
        left -= event.type.value == kind
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_and_resumed(
    tmp_path: Path, cli: ScriptedCli, document: Mapping[str, Any], *, at: EventType, count: int = 1
) -> assay.Execution:
    """The execution as it ended after whoever drove it was killed at an event of that type."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir()
    environ = {**os.environ, **settings(cli)}
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FIRST, store_url(tmp_path), str(home), str(workspace)),
        *(at.value, str(count), json.dumps(document)),
        stdout=asyncio.subprocess.PIPE,
        env=environ,
    )
    assert first.stdout is not None
    id = (await first.stdout.readline()).decode().strip()
    assert await first.wait() == -signal.SIGKILL
    opened = assay.open(store_url(tmp_path), home=home, workspace=workspace, environ=environ)
    async with opened as app:
        await app.resume(id)
        return await app.wait(id)


async def test_killed_while_it_works_it_goes_on_in_its_session(tmp_path: Path) -> None:
    cli = ScriptedCli(
        tmp_path / "cli",
        [init(), *turns(1), {"hang": 1}],
        [init(), *answer("end", text("Fixed.")), result("Fixed.")],
    )
    ended = await killed_and_resumed(tmp_path, cli, work(), at=EventType.MODEL_CALLED)

    left, again = cli.starts
    assert (ended.status, ended.steps["fix"].output) == ("completed", "Fixed.")
    assert again.after("--resume") == SESSION
    assert ended.cost.input_tokens == 200  # What it used before is not forgotten.
    assert not alive(left.pid)


async def test_what_it_has_finished_is_not_done_again(tmp_path: Path) -> None:
    """Killed while it answers to what `verify` had said of its first answer."""
    checks = [{"condition": "output.size() > 5", "message": "it is too short"}]
    cli = ScriptedCli(
        tmp_path / "cli", simply("a"), [init(), *turns(1), {"hang": 1}], simply("long enough")
    )
    ended = await killed_and_resumed(
        tmp_path, cli, work(verify={"checks": checks}), at=EventType.MODEL_CALLED, count=2
    )

    assert (ended.status, ended.steps["fix"].output) == ("completed", "long enough")
    told = [started.told for started in cli.starts]
    assert ["too short" in said for said in told] == [False, True, True]
    assert [said.startswith("You were interrupted.") for said in told] == [False, False, True]
    assert [("--resume" in started.arguments) for started in cli.starts] == [False, True, True]
    assert ended.cost.calls == 3


async def test_stopped_it_is_ended_with_all_it_started(tmp_path: Path) -> None:
    acts: list[Act] = [{"deaf": 1}, {"child": "child"}, init(), *answer("m", text("Hm."))]
    cli = ScriptedCli(tmp_path / "cli", [*acts, {"hang": 1}])
    async with open_house(tmp_path, settings(cli)) as house:
        started = await house.start(work())
        await said(house, started)
        await house.app.manager.stop(started.id)
        ended = await house.app.wait(started.id)

    assert ended.status == "cancelled"
    assert not alive(cli.starts[0].pid)
    assert not alive(int((cli.folder / "child").read_text()))


async def said(house: House, execution: assay.Execution) -> Sequence[str]:
    """What an agent has said, as soon as it says something."""
    following = house.app.manager.follow(execution.id)
    try:
        async for event in following:
            if event.type is EventType.TOKEN:
                return [str(event.data["text"])]
    finally:
        await following.aclose()  # type: ignore[attr-defined]
    raise AssertionError("it ended before it said anything")


async def test_one_of_any_kind_is_named_in_the_step(tmp_path: Path) -> None:
    cli = ScriptedCli(tmp_path / "cli", [{"line": {"type": "result", "text": "Done."}}])
    step = {"id": "a", "type": "agent", "prompt": "x", "security_profile": "trusted"}
    async with open_house(tmp_path) as house:
        ended = await house.run({"name": "w", "steps": [{**step, "cli": {"command": cli.command}}]})
    assert ended.steps["a"].output == "Done."


def test_a_command_line_and_a_model_are_not_both_what_works() -> None:
    refused("- {id: a, type: agent, prompt: x, runtime: model, cli: ¶codex}", "`cli` is for")
