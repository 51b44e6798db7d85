"""Codex, and any other command line: what each is told, and how what it writes is read."""

from __future__ import annotations

import pytest

from assay.graphs.errors import AssayError, ConfigurationError, ModelFailed
from assay.graphs.execution import Cost

from ..scripted_cli import Act, simply
from .conftest import Coder

pytestmark = pytest.mark.anyio

OBJECT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

CODEX: list[Act] = [
    {"line": {"type": "thread.started", "thread_id": "th"}},
    {"line": {"type": "turn.started"}},
    {"line": {"type": "item.started", "item": {
        "id": "i0", "type": "command_execution", "command": "ls"}}},
    {"line": {"type": "item.completed", "item": {
        "id": "i0", "type": "command_execution", "command": "ls", "status": "completed"}}},
    {"line": {"type": "item.completed", "item": {
        "id": "i1", "type": "agent_message", "text": '{"n": 1}'}}},
    {"line": {"type": "turn.completed", "usage": {
        "input_tokens": 50, "cached_input_tokens": 40, "output_tokens": 5}}},
]  # fmt: skip


async def test_codex_keeps_itself_in_a_sandbox_and_goes_on_with_its_thread(coder: Coder) -> None:
    broken = [*CODEX[:4], {"line": {"type": "item.completed", "item": {
        "id": "i1", "type": "agent_message", "text": "one"}}}, CODEX[5]]  # fmt: skip
    answered = await coder.run(
        broken, CODEX, format="codex", schema=OBJECT, tools=["read_file"], models=["gpt-5"]
    )

    first, second = coder.cli.starts
    assert (answered.value, coder.desk.ear.tools[0][:2]) == (
        {"n": 1},
        ("command_execution", {"command": "ls"}),
    )
    flags = ["exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"]
    assert first.arguments == [*flags, "--model", "gpt-5", "-"]
    assert second.arguments == [*flags, "--model", "gpt-5", "resume", "th", "-"]
    assert (answered.cost.input_tokens, answered.cost.output_tokens) == (100, 10)


async def test_a_turn_of_codex_that_fails_says_why(coder: Coder) -> None:
    failed = {"line": {"type": "turn.failed", "error": {"message": "quota"}}}
    with pytest.raises(ModelFailed, match="quota"):
        await coder.run([*CODEX[:2], failed, {"exit": 1}], format="codex")


async def test_any_other_speaks_lines_of_json(coder: Coder) -> None:
    answered = await coder.run(
        [
            {"line": {"type": "session", "id": "s"}},
            {"line": {"type": "text", "text": "Working."}},
            {"line": {"type": "tool", "id": "t", "name": "edit", "input": {"file": "a"}}},
            {"line": {"type": "tool_result", "id": "t"}},
            {"line": {"type": "usage", "input_tokens": 7, "output_tokens": 3, "usd": 0.5}},
            {"line": {"type": "result", "text": "Done."}},
        ],
        format="json-lines",
        tools=["edit"],
        words=["--tools={tools}", "--no-stdin", "{prompt}"],
    )
    [started] = coder.cli.starts
    assert started.arguments == ["--tools=edit", "--no-stdin", "Do it."]
    assert (answered.value, answered.cost) == ("Done.", Cost(7, 3, 1, 0.5))
    assert coder.desk.ear.tools == [("edit", {"file": "a"}, True)]


async def test_one_that_cannot_be_told_its_tools_is_not_started(coder: Coder) -> None:
    with pytest.raises(ConfigurationError, match=r"\{tools\}"):
        await coder.run(simply("x"), format="json-lines", tools=["edit"])
    assert coder.cli.starts == []


async def test_plain_text_is_the_answer_and_its_cost_is_estimated(coder: Coder) -> None:
    answered = await coder.run([{"raw": "It is\ndone.\n"}], format="text")
    assert (answered.value, coder.desk.ear.lines) == ("It is\ndone.", ["It is", "done."])
    assert coder.cli.starts[0].told == "Do it."
    assert answered.cost.calls == 1
    assert answered.cost.output_tokens > 0


async def test_plain_text_that_ends_badly_is_no_answer(coder: Coder) -> None:
    with pytest.raises(AssayError, match="exit status 2"):
        await coder.run([{"raw": "half of it"}, {"exit": 2}], format="text")
