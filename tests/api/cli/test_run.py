"""`assay run`, from its start to its exit code, on a terminal and off it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from assay.api.cli import run as run_module
from assay.api.cli.records import listing
from assay.api.cli.run import Request
from assay.graphs.errors import AssayError, InvalidInput, WorkflowNotFound

from .conftest import Assay
from .terminal import on_terminal, plain, read_until, type_in

TALKS = """\
name: talks
inputs: {who: {type: string, default: "[red]you[/red]"}}
outputs:
  report: {type: string, value: "{{ 'dear\\\\n' + inputs.who }}"}
steps:
  - {id: say, type: shell, command: "printf '\\\\033[31mred\\\\033[0m\\\\n'; echo '[bold]text'"}
  - id: each
    type: foreach
    items: "[1, 2]"
    steps:
      - {id: item, type: skill, skill: echo, inputs: {message: "{{ item }}"}}
"""
FAILS = """\
name: fails
steps:
  - {id: no, type: shell, command: "echo because >&2; exit 3"}
"""
SLEEPS = """\
name: sleeps
steps:
  - {id: doze, type: shell, command: "echo $$ > pid; echo ready; exec sleep 60"}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (TALKS, FAILS, SLEEPS):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


def ran(request: Request, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """The exit code, the lines without their times, and what standard error says."""
    code = asyncio.run(run_module.run(request))
    out, err = capsys.readouterr()
    return code, [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in out.splitlines()], err


def test_off_a_terminal_every_event_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = ran(Request("talks.yaml"), capsys)
    assert (code, err) == (0, "")
    assert not any("\x1b" in line for line in lines)
    assert lines[0].startswith("execution  queued as ")
    assert [line for line in lines if line.startswith("say  ")][:3] == [
        "say  started (shell)",
        "say  | red",
        "say  | [bold]text",
    ]
    assert lines[-5:-1] == ["outputs", "  report", "    dear", "    [red]you[/red]"]


def test_a_failure_ends_with_one_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = ran(Request("fails.yaml"), capsys)
    assert code == 1
    assert lines[-4:-2] == ["error at no: the command ended with status 3", "  because"]


def test_quiet_says_only_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = ran(Request("talks.yaml", ("who=me",), quiet=True), capsys)
    assert code == 0
    assert lines[0].startswith("completed in ")
    assert "    me" in lines


def test_json_is_an_event_a_line_and_the_execution_last(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = ran(Request("fails.yaml", json=True), capsys)
    *events, execution = map(json.loads, lines)
    assert code == 1
    assert [e["seq"] for e in events if e["seq"]] == list(range(1, 6))
    assert events[-1]["type"] == "ExecutionFailed"
    assert execution["status"] == "failed"
    assert execution["steps"]["no"]["error"]["code"] == "exit_status"


def test_quiet_json_is_the_execution_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = ran(Request("talks.yaml", json=True, quiet=True), capsys)
    (line,) = lines
    assert json.loads(line)["status"] == "completed"


@pytest.mark.parametrize(
    ("definition", "inputs", "error"),
    [
        ("absent.yaml", (), WorkflowNotFound),
        ("unregistered", (), WorkflowNotFound),
        ("talks.yaml", ("x=1",), InvalidInput),
    ],
)
def test_what_cannot_start_says_so_and_leaves_nothing(
    definition: str,
    inputs: tuple[str, ...],
    error: type[AssayError],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(error):
        ran(Request(definition, inputs), capsys)
    assert asyncio.run(listing(None, None, 9, json=False)) == 0
    assert capsys.readouterr().out == ""


def test_bad_input_ends_with_two_and_a_sentence(assay: Assay) -> None:
    done = assay("run", "talks.yaml", "-i", "x=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: workflow 'talks': there is no input 'x'; there are: who\n"


def test_a_reader_that_goes_away_does_not_end_the_work(
    desk: Path, command: tuple[str, ...], assay: Assay
) -> None:
    with subprocess.Popen(
        [*command, "run", "talks.yaml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0
    assert assay("list").stdout.split()[2] == "completed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_execution_and_what_it_started(
    desk: Path, command: tuple[str, ...], number: int
) -> None:
    with subprocess.Popen(
        [*command, "run", "sleeps.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests may ignore it, as `nohup` does.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("| ready\n"):
                break
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert "cancelled in " in rest
    with pytest.raises(ProcessLookupError):
        os.kill(int((desk / "pid").read_text()), 0)


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def test_on_a_terminal_the_tree_is_drawn(command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "talks.yaml") as (process, terminal):
        seen = read_until(terminal)
        assert process.wait() == 0
    assert COLOUR.search(seen)
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1
    ended = plain(seen)[plain(seen).rindex("talks@1  completed") :]
    assert re.search(r"^✓ say +shell +\S+$", ended, re.MULTILINE)
    assert "\n    [red]you[/red]\n" in ended


def test_no_color_draws_without_colours(command: tuple[str, ...]) -> None:
    arguments = (*command, "run", "talks.yaml")
    with on_terminal(*arguments, environ={"NO_COLOR": "1"}) as (process, terminal):
        seen = read_until(terminal)
        assert process.wait() == 0
    assert "✓ say" in plain(seen)
    assert not COLOUR.search(seen)


def test_a_dumb_terminal_gets_plain_lines(command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "talks.yaml", environ={"TERM": "dumb"}) as (_, terminal):
        seen = read_until(terminal)
    assert "say  started (shell)" in seen
    assert "\x1b" not in seen


def test_impatience_leaves_nothing_behind(desk: Path, command: tuple[str, ...]) -> None:
    """A process that does not want to end is killed after its grace, signals or not."""
    deaf = SLEEPS.replace("echo $$", "trap '' TERM; echo $$").replace("exec sleep", "sleep")
    (desk / "sleeps.yaml").write_text(deaf)
    with on_terminal(*command, "run", "sleeps.yaml") as (process, terminal):
        read_until(terminal, "│ ready")
        type_in(terminal, "\x03")
        read_until(terminal, "stopping")
        type_in(terminal, "\x03")
        read_until(terminal)
        assert process.wait() == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(int((desk / "pid").read_text()), 0)


def test_control_c_cancels_and_gives_the_cursor_back(desk: Path, command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "sleeps.yaml") as (process, terminal):
        read_until(terminal, "│ ready")
        type_in(terminal, "\x03")
        seen = read_until(terminal)
        assert process.wait() == 130
    assert "cancelled in " in seen
    assert "stopping" in seen
    assert seen.rindex("\x1b[?25h") > seen.find("\x1b[?25l")
    with pytest.raises(ProcessLookupError):
        os.kill(int((desk / "pid").read_text()), 0)
