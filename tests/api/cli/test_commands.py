"""The command as its users and their scripts meet it: processes, exit codes, streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from assay.api.cli import definitions
from assay.api.cli.exits import report
from assay.graphs import errors

from .conftest import Assay, Tell

HELLO = """\
name: hello
inputs:
  name: {type: string, default: you}
outputs:
  greeting: {type: string, value: "{{ greet.output }}"}
steps:
  - {id: greet, type: skill, skill: echo, inputs: {message: "hello {{ inputs.name }}"}}
"""
PLAIN = """\
name: plain
steps:
  - {id: only, type: skill, skill: echo, inputs: {message: hello}}
"""
DOUBTFUL = """\
name: doubtful
steps:
  - {id: first, type: assert, condition: "true"}
"""
WRONG = """\
name: wrong
steps:
  - {id: a, type: shel, command: "true"}
  - {id: b, type: shell}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (HELLO, PLAIN, DOUBTFUL, WRONG):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


def imported(*arguments: str) -> set[str]:
    """Top-level modules that are imported when the command has done its work."""
    code = (
        "import sys\n"
        "from assay.api.cli import main\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "try:\n    main()\n"
        "finally:\n    print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_that_is_slow() -> None:
    slow = {"asyncio", "cel_expr_python", "httpx", "langchain_core", "langgraph", "orjson"}
    assert not imported("--help") & (slow | {"pydantic", "rich", "sqlite3"})


@pytest.mark.parametrize("command", ["validate", "plan", "graph"])
def test_reading_a_definition_imports_no_langgraph(command: str) -> None:
    assert not imported(command, "hello.yaml") & {"langgraph", "langchain", "langchain_core"}


def test_a_definition_without_expressions_is_read_without_their_engine() -> None:
    slow = {"cel_expr_python", "google", "httpx", "jsonschema_rs", "sqlite3"}
    assert not imported("validate", "plain.yaml") & slow
    assert imported("validate", "hello.yaml") & slow == {"cel_expr_python", "google"}


@pytest.mark.parametrize("command", ["list", "questions", "slots", "export"])
def test_reading_the_store_imports_no_langgraph(command: str) -> None:
    assert not imported(command) & {"langgraph", "langchain", "langchain_core"}


def test_version_and_help_end_with_zero(assay: Assay) -> None:
    assert assay("--version").stdout.startswith("assay ")
    assert "Exit codes" in assay("--help").stdout


def test_usage_that_makes_no_sense_ends_with_two(tell: Tell) -> None:
    for arguments in (
        ["nonsense"],
        ["run"],
        ["run", "hello.yaml", "--bogus"],
        ["list", "--limit=0"],
    ):
        done = tell(*arguments)
        assert done.code == 2, arguments
        assert "Traceback" not in done.err


def test_every_problem_of_every_file_is_told(tell: Tell) -> None:
    done = tell("validate", "hello.yaml", "wrong.yaml", "absent.yaml")
    assert done.code == 2
    assert done.err == ""
    assert done.out.splitlines() == [
        "hello.yaml: valid",
        "wrong.yaml:3:19: 'shel' is not a kind of step; did you mean 'shell'?",
        "wrong.yaml:4:5: the field 'command' is missing; add it",
        "wrong.yaml: not valid, 2 errors",
        "absent.yaml:1:1: the definition absent.yaml cannot be read: No such file or directory; "
        "check the path",
        "absent.yaml: not valid, 1 error",
    ]


def test_problems_are_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert definitions.validate(["wrong.yaml"], json=True, strict=False) == 2
    (found,) = json.loads(capsys.readouterr().out)
    assert found["valid"] is False
    assert [(p["line"], p["column"], p["path"]) for p in found["problems"]] == [
        (3, 19, ["steps", 0, "type"]),
        (4, 5, ["steps", 1, "command"]),
    ]


def test_strict_takes_warnings_for_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert definitions.validate(["doubtful.yaml"], json=False, strict=False) == 0
    assert "warning: " in capsys.readouterr().out
    assert definitions.validate(["doubtful.yaml"], json=False, strict=True) == 2


def test_the_schema_accepts_what_the_loader_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert definitions.schema() == 0
    hello = {"name": "hello", "steps": [{"id": "a", "type": "shell", "command": "true"}]}
    validator = jsonschema_rs.validator_for(json.loads(capsys.readouterr().out))
    assert validator.is_valid(hello)
    assert not validator.is_valid({**hello, "step": []})


def test_a_plan_says_what_may_be_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert definitions.plan("hello.yaml", ["name=me"], None, json=True) == 0
    (step,) = json.loads(capsys.readouterr().out)["steps"]
    assert step["touches"] == {"skill": ["echo"]}
    assert definitions.plan("hello.yaml", [], None, json=False) == 0
    assert capsys.readouterr().out.startswith("hello 1 ")


def test_a_plan_checks_inputs_as_a_start_would() -> None:
    with pytest.raises(errors.InvalidInput, match="did you mean 'name'"):
        definitions.plan("hello.yaml", ["nam=me"], None, json=False)


def test_a_graph_is_drawn_as_text_and_as_mermaid(capsys: pytest.CaptureFixture[str]) -> None:
    assert definitions.graph("hello.yaml", mermaid=False, fuse=True) == 0
    assert capsys.readouterr().out == "hello\n└─ greet (skill)\n"
    assert definitions.graph("hello.yaml", mermaid=True, fuse=True) == 0
    assert capsys.readouterr().out.startswith("flowchart TD\n")


def test_what_ran_can_be_listed_looked_at_and_read_again(assay: Assay, tell: Tell) -> None:
    ran = assay("run", "hello.yaml", "--json")
    assert ran.returncode == 0
    *told, last = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event["seq"] for event in told if event["seq"]] == list(range(1, 6))
    assert last["outputs"] == {"greeting": "hello you"}
    id = last["execution_id"]

    (listed,) = json.loads(tell("list", "--json", "--status", "completed").out)
    assert listed["execution_id"] == id
    assert tell("list").out.split()[:3] == [id, "hello@1", "completed"]
    assert tell("list", "--workflow", "other").out == ""

    assert json.loads(tell("status", "--json", id[:30]).out) == last
    looked = tell("status", "latest").out.splitlines()
    assert looked[0] == "hello@1"
    assert looked[-1] == f"execution {id}"

    events = [json.loads(line) for line in tell("logs", "--json", "latest").out.splitlines()]
    assert events == [event for event in told if event["seq"]]
    followed = tell("logs", "--follow", id).out.splitlines()
    assert followed[-1].endswith("execution  completed")


def test_an_execution_that_is_not_there_ends_with_two(tell: Tell) -> None:
    done = tell("status", "0000")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: No execution has the id '0000'")
    assert "assay run" in tell("logs", "latest").err
    assert tell("list", "--status", "done").code == 2


def test_a_setting_that_makes_no_sense_ends_with_two(assay: Assay) -> None:
    done = assay("list", ASSAY_STORE="nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_a_reader_that_goes_away_is_no_error(desk: Path, command: tuple[str, ...]) -> None:
    """`assay schema | head -1`, with more to write than a pipe holds."""
    with subprocess.Popen(
        [*command, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidSpec([]), 2),
        (errors.InvalidInput("x"), 2),
        (errors.WorkflowNotFound("x"), 2),
        (errors.WorkflowConflict("x"), 2),
        (errors.ExecutionNotFound("x"), 2),
        (errors.ConfigurationError("x"), 2),
        (errors.StoreError("x"), 2),
        (errors.ExecutionFailed("x"), 1),
        (ValueError("x"), 1),
    ],
)
def test_an_error_ends_with_its_code(error: Exception, code: int) -> None:
    assert report(error) == code


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_DEBUG", raising=False)
    report(ValueError("what is this"))
    assert capsys.readouterr().err == (
        "error: ValueError: what is this (unexpected; ASSAY_DEBUG=1 shows where)\n"
    )
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    report(_raised())
    assert "Traceback" in capsys.readouterr().err


def _raised() -> Exception:
    try:
        raise ValueError("x")
    except ValueError as error:
        return error
