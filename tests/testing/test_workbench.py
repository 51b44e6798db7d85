"""Workflows are tested in process: models play a script, people answer, nobody waits for time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assay import testing
from assay.graphs.event import EventType
from assay.testing import Answer, Asked, Reply, ToolCall

from ..running import mapping

pytestmark = pytest.mark.anyio


def agent(**fields: Any) -> dict[str, Any]:
    step = {"id": "say", "type": "agent", "prompt": "Say it.", **fields}
    return {"name": "w", "steps": [step]}


async def test_a_script_plays_a_whole_conversation_with_tools() -> None:
    script = [Reply.calling("read_file", path="a.txt"), Reply("It says hello.")]
    async with testing.workbench(script) as bench:
        bench.write("a.txt", "hello\n")
        ended = await bench.run(agent(tools=["read_file"]))
        kinds = [event.type for event in await bench.events(ended)]

    assert (ended.status, ended.steps["say"].output) == ("completed", "It says hello.")
    first, second = bench.models.requests
    assert (first.model, first.tools, first.last) == ("scripted", ["read_file"], "Say it.")
    assert ["hello" in result for result in second.results] == [True]
    assert (ended.cost.calls, ended.cost.input_tokens, ended.cost.output_tokens) == (2, 22, 14)
    assert (kinds.count(EventType.MODEL_CALLED), kinds.count(EventType.TOOL_CALLED)) == (2, 1)


async def test_whatever_model_a_step_names_the_script_answers() -> None:
    models = ["anthropic:claude-x", "openai:gpt-5", "demo"]
    for model in models:
        ended = await testing.run(agent(model=model), models=lambda asked: Reply(asked.model))
        assert ended.steps["say"].output == model


@pytest.mark.parametrize("fault", [Reply("busy", status=503), Reply("a b c", cut_after=1)])
async def test_a_fault_goes_to_the_next_model(fault: Reply) -> None:
    def script(asked: Asked) -> Reply:
        return fault if asked.model == "first" else Reply("Here.")

    ended = await testing.run(agent(model=["first", "second"]), models=script)

    assert (ended.status, ended.steps["say"].output) == ("completed", "Here.")
    assert any("asked 'second' instead" in notice for notice in ended.notices)


async def test_a_script_that_is_too_short_says_so() -> None:
    ended = await testing.run(agent())

    assert ended.status == "failed"
    assert ended.error is not None
    assert "the script has no reply for request 1" in ended.error.message


async def test_an_answer_that_does_not_fit_is_corrected() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    script = [Reply.of_json({"n": "three"}), Reply.of_json({"n": 3})]

    async with testing.workbench(script) as bench:
        ended = await bench.run(agent(output=schema))

    assert ended.steps["say"].output == {"n": 3}
    assert bench.models.requests[0].schema == schema
    assert "Your answer does not fit" in bench.models.requests[1].last


async def test_calls_at_once_and_arguments_that_are_no_json_are_played() -> None:
    calls = [ToolCall("write_file", {"path": f"{n}.txt", "content": n}) for n in "ab"]
    script = [Reply(tool_calls=[ToolCall("write_file", "{broken")]), Reply(tool_calls=calls)]

    async with testing.workbench([*script, Reply("Done.")]) as bench:
        ended = await bench.run(agent(tools=["write_file"]))
        written = sorted(path.name for path in bench.workspace.iterdir())

    assert (ended.status, written) == ("completed", ["a.txt", "b.txt"])


WAITS = mapping("""
    - {id: rest, type: sleep, duration: 30d}
    - id: both
      type: parallel
      steps:
        - {id: ship, type: approval, message: Ship it?}
        - {id: paid, type: wait_event, event: payment}
        - {id: nap, type: sleep, duration: 2h}
    - {id: late, type: approval, message: Anyone?, timeout: 7d, on_timeout: continue}
    - {id: end, type: skill, skill: echo}
""")


async def test_people_answer_and_time_passes_by_itself() -> None:
    began = time.time()
    answers = {"both.ship": Answer(by="ada"), "both.paid": {"sum": 3}}

    ended = await testing.run(WAITS, answers=answers)

    assert ended.status == "completed", ended.error
    assert ended.steps["both.ship"].outputs["by"] == "ada"
    assert ended.steps["both.paid"].output == {"sum": 3}
    assert ended.completed_at is not None
    assert ended.completed_at > time.strftime("%Y-%m-%d", time.gmtime(began + 36 * 86400))
    assert time.time() - began < 3600, "the clock goes right again"


async def test_a_no_is_said_as_false() -> None:
    ended = await testing.run(WAITS, answers={"both.ship": False, "both.paid": None})

    assert (ended.status, ended.error and ended.error.path) == ("failed", "both.ship")


async def test_a_question_that_the_test_does_not_answer_ends_it() -> None:
    with pytest.raises(testing.Unanswered, match=r"'both.ship' asks 'Ship it\?'"):
        await testing.run(WAITS, answers={"both.paid": None})


async def test_an_execution_that_does_not_end_is_stopped() -> None:
    async with testing.workbench() as bench:
        with pytest.raises(TimeoutError):
            await bench.run(mapping("- {id: a, type: shell, command: sleep 60}"), patience=0.3)
        (execution,) = (await bench.app.manager.executions()).items

    assert execution.status == "cancelled"


async def test_files_and_functions_are_given_and_nothing_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    work = mapping("""
        - {id: read, type: shell, command: "cat a.txt; echo ${OPENAI_API_KEY:-none} $GREETING"}
        - {id: twice, type: python, function: twice, inputs: {n: 21}}
    """)

    ended = await testing.run(
        work,
        files={"a.txt": "hello\n"},
        functions={"twice": lambda n: 2 * n},
        environ={"GREETING": "hi"},
    )

    assert ended.steps["read"].output.split() == ["hello", "none", "hi"]
    assert ended.steps["twice"].output == 42


async def test_a_folder_that_is_named_stays(tmp_path: Path) -> None:
    async with testing.workbench(folder=tmp_path) as bench:
        await bench.run(mapping("- {id: a, type: shell, command: echo hi > a.txt}"))

    assert (tmp_path / "workspace" / "a.txt").read_text() == "hi\n"


def test_importing_the_kit_imports_neither_pytest_nor_langgraph() -> None:
    program = (
        "import sys, assay.testing; assay.testing.ScriptedModel; assay.testing.Replayer;"
        "print([m for m in ('pytest', 'langgraph', 'langchain_core') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
