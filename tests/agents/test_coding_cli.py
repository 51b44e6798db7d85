"""A coding agent's command line is told what it may, heard as it goes, and ended when it must."""

from __future__ import annotations

import asyncio
import json

import pytest

from assay.agents.runner import LangChainAgents
from assay.graphs.errors import (
    ConfigurationError,
    LimitReached,
    ModelFailed,
    NotAllowed,
)

from ..scripted_cli import (
    SESSION,
    Act,
    ScriptedCli,
    answer,
    init,
    result,
    simply,
    text,
    use,
    used,
)
from .conftest import Coder, Desk, alive, environ

pytestmark = pytest.mark.anyio

OBJECT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def test_it_is_started_as_its_manual_says_and_its_last_word_is_the_answer(
    coder: Coder,
) -> None:
    answered = await coder.run(
        simply("All is done."),
        tools=["read_file", "write_file", "Bash(git diff:*)"],
        models=["anthropic:claude-sonnet-4-5"],
        system="Be brief.",
        max_iterations=7,
    )

    [started] = coder.cli.starts
    assert (answered.value, answered.tool_calls) == ("All is done.", ())
    assert started.told == "Do it."
    assert started.arguments[:4] == ["-p", "--output-format", "stream-json", "--verbose"]
    assert started.after("--permission-mode") == "default"
    assert started.after("--max-turns") == "7"
    assert started.after("--model") == "claude-sonnet-4-5"
    assert started.after("--append-system-prompt") == "Be brief."
    allowed = started.after("--allowedTools").split(",")
    assert {"Read", "Edit", "Write", "Bash(git diff:*)"} <= set(allowed)
    refused = started.after("--disallowedTools").split(",")
    assert refused == ["Glob", "Grep", "LS", "WebFetch", "WebSearch"]
    assert coder.desk.ear.tokens == ["All is done."]


async def test_what_it_says_and_uses_is_told_as_it_goes_and_each_answer_is_booked_once(
    coder: Coder,
) -> None:
    answered = await coder.run(
        [
            init(),
            *answer("m1", text("I read."), use("t1", "Read", file_path="a")),
            used("t1"),
            *answer("m2", text("Done."), tokens=(200, 20)),
            result("Done.", tokens=(300, 45), usd=0.01),
        ],
        tools=["read_file"],
    )

    ear = coder.desk.ear
    assert ear.tokens == ["I read.", "Done."]
    assert ear.tools == [("Read", {"file_path": "a"}, True)]
    assert (ear.spent.input_tokens, ear.spent.output_tokens, ear.spent.calls) == (300, 45, 2)
    assert ear.spent.usd == pytest.approx(0.01)
    assert answered.cost == ear.spent
    assert [json.loads(line)["type"] for line in ear.lines] == [
        *("system", "assistant", "assistant", "user", "assistant", "result")
    ]


async def test_drafts_of_a_text_are_told_once_and_not_in_the_record(coder: Coder) -> None:
    drafts: list[Act] = [
        {"line": {"type": "stream_event", "event": {
            "type": "content_block_delta", "delta": {"type": "text_delta", "text": part},
        }}}
        for part in ("All ", "done.")
    ]  # fmt: skip
    await coder.run([init(), *drafts, *answer("m", text("All done.")), result("x")])
    assert coder.desk.ear.tokens == ["All ", "done."]
    assert not any("stream_event" in line for line in coder.desk.ear.lines)


async def test_a_tool_that_is_withheld_and_used_all_the_same_ends_it(coder: Coder) -> None:
    with pytest.raises(NotAllowed, match="'Bash'"):
        await coder.run(
            [init(), *answer("m", use("t", "Bash", command="ls")), used("t"), {"hang": 1}],
            tools=["read_file"],
        )
    assert coder.desk.ear.tools == [("Bash", {"command": "ls"}, False)]
    assert not alive(coder.cli.starts[0].pid)


async def test_a_tool_that_it_refused_by_itself_is_no_offence(coder: Coder) -> None:
    refused = [*answer("m", use("t", "Bash", command="ls")), used("t", failed=True)]
    answered = await coder.run([init(), *refused, result("I may not.")], tools=["read_file"])
    assert answered.value == "I may not."


async def test_too_many_calls_of_tools_end_it(coder: Coder) -> None:
    calls = [*answer("m", *(use(f"t{n}", "Read") for n in range(3))), {"hang": 1}]
    with pytest.raises(LimitReached, match="max_tool_calls"):
        await coder.run([init(), *calls], tools=["read_file"], max_tool_calls=2)
    assert not alive(coder.cli.starts[0].pid)


async def test_too_many_answers_end_it(coder: Coder) -> None:
    answers = [line for n in range(3) for line in answer(f"m{n}", text("Hm."))]
    with pytest.raises(LimitReached, match="2 turns, its `max_iterations`"):
        await coder.run([init(), *answers, {"hang": 1}], max_iterations=2)


async def test_a_bound_that_it_met_itself_is_ours(coder: Coder) -> None:
    with pytest.raises(LimitReached, match="error_max_turns"):
        await coder.run([init(), result("", subtype="error_max_turns"), {"exit": 1}])


async def test_an_answer_that_does_not_fit_is_corrected_in_the_same_session(coder: Coder) -> None:
    answered = await coder.run(simply("n is 3"), simply('{"n": 3}'), schema=OBJECT)

    first, second = coder.cli.starts
    assert answered.value == {"n": 3}
    assert "JSON Schema" in first.told
    assert "--resume" not in first.arguments
    assert second.after("--resume") == SESSION
    assert second.told.startswith("Your answer does not fit.")


async def test_an_answer_that_never_fits_fails(coder: Coder) -> None:
    with pytest.raises(ModelFailed, match="does not fit `output` after 2"):
        await coder.run(*[simply("no")] * 3, schema=OBJECT)


async def test_feedback_goes_on_in_the_same_session(coder: Coder) -> None:
    first = await coder.run(simply("short"))
    coder.folder = coder.folder / "again"
    await coder.run(simply("long"), feedback=["it is short"], transcript=first.transcript)

    [started] = coder.cli.starts
    assert started.after("--resume") == SESSION
    assert "- it is short" in started.told
    assert "Do it." not in started.told


async def test_a_session_that_is_lost_is_begun_anew_with_all_that_was_said(coder: Coder) -> None:
    lost: list[Act] = [{"stderr": "No conversation found with session ID"}, {"exit": 1}]
    answered = await coder.run(
        lost,
        simply("long"),
        feedback=["it is short"],
        transcript=[{"session": "gone", "said": "tiny"}],
    )

    _, anew = coder.cli.starts
    assert answered.value == "long"
    assert "--resume" not in anew.arguments
    assert all(said in anew.told for said in ("Do it.", "tiny", "- it is short"))
    assert any("began anew" in notice for notice in answered.notices)


@pytest.mark.parametrize(
    ("acts", "says"),
    [
        ([init(), {"stderr": "out of memory"}, {"exit": 9}], "exit status 9.: out of memory"),
        ([init(), *answer("m", text("Hm."))], "without its last word"),
        ([init(), result("", subtype="error_during_execution"), {"exit": 1}], "error_during"),
        ([{"raw": '{"type": "result", "subtype": "suc'}], "without its last word"),
        ([init(), result("fine"), {"exit": 3}], "exit status 3"),
    ],
)
async def test_one_that_fails_says_why_and_may_be_tried_again(
    coder: Coder, acts: list[Act], says: str
) -> None:
    with pytest.raises(ModelFailed, match=says):
        await coder.run(acts)


async def test_lines_that_are_no_json_are_passed_over_and_counted(coder: Coder) -> None:
    strange: list[Act] = [
        {"raw": "warning: old node\n[1]\n\n"},
        {"line": {"type": "of a later version", "message": 5}},
        {"line": {"type": "assistant", "message": {"content": "no list", "id": 7}}},
    ]
    answered = await coder.run([*strange, *simply("Done.")])
    assert answered.value == "Done."
    assert any("3 lines that are not JSON" in notice for notice in answered.notices)


async def test_a_line_of_many_megabytes_is_read_whole(coder: Coder) -> None:
    huge = "x" * 5_000_000
    answered = await coder.run([init(), *answer("m", text(huge)), result(huge)])
    assert answered.value == huge


async def test_one_that_is_cancelled_is_ended_with_its_children_though_it_hears_no_term(
    coder: Coder, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = asyncio.Event()
    monkeypatch.setattr(coder.desk.ear, "token", lambda _: works.set())
    acts: list[Act] = [{"deaf": 1}, {"child": "child"}, init(), *answer("m", text("Hm."))]
    running = asyncio.create_task(coder.run([*acts, {"hang": 1}]))
    await works.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    child = int((coder.folder / "child").read_text())
    assert not alive(coder.cli.starts[0].pid)
    assert not alive(child)


async def test_a_child_that_is_left_running_does_not_outlive_it(coder: Coder) -> None:
    await coder.run([{"child": "child"}, *simply("Done.")])
    assert not alive(int((coder.folder / "child").read_text()))


async def test_variables_reach_it_as_far_as_its_profile_lets_them(coder: Coder) -> None:
    await coder.run(simply("x"), profile="trusted")
    assert coder.cli.starts[0].environ["SECRET"] == "hush"


async def test_under_a_profile_it_is_held_and_says_so(coder: Coder, desk: Desk) -> None:
    coder.folder = desk.workspace / "cli"  # All that it may write to.
    answered = await coder.run(simply("x"), profile="standard")
    [started] = coder.cli.starts
    assert "SECRET" not in started.environ
    assert any("run on the rung" in notice for notice in answered.notices)


async def test_tools_beyond_the_profile_or_before_which_a_person_is_asked_are_withheld(
    coder: Coder, desk: Desk
) -> None:
    coder.folder = desk.workspace / "cli"
    answered = await coder.run(
        simply("x"),
        profile="restricted",
        tools=["read_file", "run_command", "write_file", "mcp__git__push"],
        ask_before=["write_file"],
    )
    [started] = coder.cli.starts
    assert started.after("--allowedTools") == "Read"
    assert any("withholds run_command, mcp__git__push" in n for n in answered.notices)
    assert any("write_file (`ask_before`)" in n for n in answered.notices)


async def test_the_allow_list_narrows_the_tools(coder: Coder) -> None:
    await coder.run(simply("x"), tools=["fs_read", "write_file"], allowed_tools=["read_file"])
    assert coder.cli.starts[0].after("--allowedTools") == "Read"


async def test_without_tools_it_has_those_of_a_coder(coder: Coder) -> None:
    await coder.run(simply("x"))
    allowed = coder.cli.starts[0].after("--allowedTools").split(",")
    assert {"Read", "Write", "Bash"} <= set(allowed)


async def test_the_next_model_is_asked_when_one_fails(coder: Coder) -> None:
    answered = await coder.run([{"exit": 1}], simply("Here."), models=["a", "b"])
    assert (answered.value, answered.model) == ("Here.", "b")
    assert any("asked 'b' instead" in notice for notice in answered.notices)


async def test_one_that_has_given_way_is_not_asked_again_after_a_crash(coder: Coder) -> None:
    """It is well by then; the next one goes on in its session all the same."""
    ear = coder.desk.ear
    await coder.run([{"exit": 1}], simply("Here."), models=["a", "b"])
    ear.kept = {name: kept for name, kept in ear.kept.items() if not name.startswith("cli[")}
    again = await coder.run([], [], simply("Here again."), models=["a", "b"])
    assert (again.value, again.model, len(coder.cli.starts)) == ("Here again.", "b", 3)
    assert coder.cli.starts[-1].after("--model") == "b"
    assert coder.cli.starts[-1].told.startswith("You were interrupted.")
    assert any("asked 'b' instead" in notice for notice in again.notices)


async def test_a_program_that_is_not_there_is_named(desk: Desk) -> None:
    agents = desk.keep(LangChainAgents({**environ(), "ASSAY_CLI_CLAUDE": "no-such-program"}))
    with pytest.raises(ConfigurationError, match=r"'no-such-program'.*ASSAY_CLI_CLAUDE"):
        await agents.run(desk.task(runtime="cli"), desk.ear)


async def test_claude_code_is_a_command_line_where_one_is_configured(
    coder: Coder, desk: Desk
) -> None:
    coder.cli = ScriptedCli(coder.folder, simply("I am Claude."))
    setting = {"ASSAY_CLI_CLAUDE": " ".join(coder.cli.command)}
    agents = desk.keep(LangChainAgents({**environ(), **setting}))
    assert (await agents.run(desk.task(coding=True), desk.ear)).value == "I am Claude."
    for given in ({"coding": False}, {"coding": True, "runtime": "model"}):
        assert (await agents.run(desk.task(**given), desk.ear)).model == "demo"
    assert len(coder.cli.starts) == 1


async def test_what_was_kept_is_not_done_again(coder: Coder) -> None:
    first = await coder.run(simply("n"), simply('{"n": 3}'), schema=OBJECT)
    ear = coder.desk.ear
    spent = ear.spent
    again = await coder.run(simply("n"), simply('{"n": 3}'), schema=OBJECT)
    assert (again.value, again.transcript) == (first.value, first.transcript)
    assert len(ear.lines) == 2 * 6  # What was recorded is recorded again.
    assert (len(coder.cli.starts), ear.spent) == (2, spent)


async def test_one_that_was_cut_off_goes_on_in_its_session(coder: Coder) -> None:
    coder.desk.ear.kept["session[0.0.0]0"] = {"session": "cut"}
    await coder.run([init("cut"), *answer("m", text("Done.")), result("Done.")])
    [started] = coder.cli.starts
    assert started.after("--resume") == "cut"
    assert started.told.startswith("You were interrupted.")
