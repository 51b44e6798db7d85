"""With ASSAY_URL the commands say of a server what they say of a store, and leave nothing here."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import COMMAND, Assay, Background, Begin, Tell, Told
from .terminal import on_terminal, read_until, type_in
from .terminal import plain as bare

FILES = {
    "greet.yaml": """\
name: greet
inputs: {who: {type: string, required: true}, times: {type: integer, default: 1}}
outputs: {said: {value: "{{ say.output }}"}}
steps:
  - id: say
    type: skill
    skill: echo
    inputs: {message: "hello {{ inputs.who }} {{ inputs.times }}"}
""",
    "asks.yaml": """\
name: asks
steps:
  - {id: ask, type: approval, message: Go on?}
  - {id: after, type: skill, skill: echo, inputs: {message: went on}}
""",
    "fails.yaml": """\
name: fails
steps:
  - {id: fine, type: skill, skill: echo, inputs: {message: a}}
  - {id: bad, type: shell, command: exit 3}
""",
    "waits.yaml": "name: waits\nsteps:\n  - {id: wait, type: wait_event, event: paid}\n",
    "takes.yaml": """\
name: takes
concurrency: {key: one, limit: 1}
steps:
  - {id: ask, type: approval, message: Mine?}
""",
    "keeps.yaml": """\
name: keeps
steps:
  - id: once
    type: shell
    command: mkdir -p a; echo first > a/b.txt
    artifacts: {b: a/b.txt}
  - id: twice
    type: foreach
    items: "[0, 1]"
    concurrency: 1
    steps:
      - {id: c, type: shell, command: "echo {{ item }} > c.txt", artifacts: {c: c.txt}}
""",
    "wrong.yaml": "name: wrong\nsteps:\n  - {id: a, type: shel}\n",
}
VARIES = (
    (r"\d+(?:\.\d+)?m?s\b", "TIME"),
    (r"\d\d\d\d-\d\d-\d\dT[\d:.]+Z", "AT"),
    (r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "AT"),
    (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\bq[0-9a-f]{19}\b", "QUESTION"),
    (r" *kept as \S+\n", ""),  # only what is kept on this machine has a place on it
    (r"  +", "  "),
)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server whose store is in the folder."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Background(process)
    try:
        line = running.until("ends it in order")
        yield line.split()[2].rstrip(";")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def far(desk: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server is what commands ask, and definitions are here."""
    for name, text in FILES.items():
        (desk / name).write_text(text)
    monkeypatch.setenv("ASSAY_URL", server)
    return server


def plain(told: Told) -> tuple[int, str]:
    """Without what is another each time."""
    out = told.out
    for varies, name in VARIES:
        out = re.sub(varies, name, out)
    return told.code, out


def by_id(told: Told) -> str:
    found: list[str] = re.findall(VARIES[3][0], told.out)
    return found[-1]


STORIES = {
    "a run": [
        ["register", "greet.yaml"],
        ["run", "greet.yaml", "-i", "who=Ada", "-i", "times=3"],
        ["run", "greet.yaml", "-i", "who=Bob", "--quiet"],
        ["run", "greet@1", "-i", "who=Eve"],
        ["list"],
        ["list", "--workflow", "greet", "--limit", "1"],
        ["list", "--status", "failed"],
        ["status", "latest"],
        ["logs", "latest"],
        ["delete", "latest", "--json"],
        ["list"],
    ],
    "a failure": [
        ["run", "fails.yaml"],
        ["retry", "latest", "--dry-run"],
        ["retry", "latest", "--yes"],
        ["fork", "latest", "--from", "fine", "--dry-run", "--json"],
        ["fork", "latest", "--from", "fine", "--yes"],
        ["logs", "-f", "latest"],
        ["status", "latest"],
    ],
    "files": [
        ["run", "keeps.yaml"],
        ["artifacts", "latest"],
        ["artifacts", "latest", "--json"],
        ["artifacts", "latest", "--to", "out"],
        ["artifacts", "nothing"],
    ],
    "mistakes": [
        ["run", "wrong.yaml"],
        ["run", "absent.yaml"],
        ["run", "nobody"],
        ["run", "greet.yaml"],
        ["run", "greet.yaml", "-i", "who=Ada", "-i", "times=x"],
        ["register", "greet.yaml", "wrong.yaml"],
        ["answer", "--approve"],
        ["delete", "0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f"],
    ],
    "definitions": [
        ["register", "greet.yaml", "asks.yaml"],
        ["register", "greet.yaml", "--json"],
        ["validate", "greet.yaml", "wrong.yaml"],
        ["questions"],
        ["slots", "--json"],
    ],
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("story", STORIES)
def test_a_server_is_asked_as_a_store_is(
    story: str, far: str, tell: Tell, monkeypatch: pytest.MonkeyPatch, desk: Path
) -> None:
    there = [plain(tell(*command)) for command in STORIES[story]]
    assert not (desk / ".assay").exists()

    monkeypatch.delenv("ASSAY_URL")
    here = [plain(tell(*command)) for command in STORIES[story]]

    for command, said_there, said_here in zip(STORIES[story], there, here, strict=True):
        assert (command, *said_there) == (command, *said_here)


def test_files_are_fetched_to_folders_of_their_steps(far: str, tell: Tell, desk: Path) -> None:
    assert tell("run", "keeps.yaml", "--quiet").code == 0
    assert tell("artifacts", "latest", "--to", "out").code == 0
    found = {p.relative_to(desk / "out").as_posix(): p.read_text() for p in files(desk / "out")}
    assert found == {"once/b.txt": "first\n", "twice[0].c/c.txt": "0\n", "twice[1].c/c.txt": "1\n"}
    (desk / "file").touch()
    refused = tell("artifacts", "latest", "--to", "file")
    assert (refused.code, "cannot be made" in refused.err) == (2, True)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_waits_is_answered_and_watched_to_its_end(far: str, tell: Tell) -> None:
    waits = tell("run", "asks.yaml")
    assert waits.code == 3
    assert "ask asks: Go on?" in waits.out
    assert "assay answer q" in waits.out
    id = by_id(waits)
    (question,) = json.loads(tell("questions", "--json").out)
    assert question["execution_id"] == id
    assert tell("status", id[:30]).out.startswith("asks@1\n  ask")
    assert "--as" in tell("answer", "--as", "Ada", "--approve").err
    answered = tell("answer", question["id"][:6], "--approve", "--comment", "fine")
    assert answered.code == 0
    assert "ask: approved" in answered.out
    assert "after" in answered.out
    assert "completed" in answered.out
    assert tell("logs", "-f", id).out.count("\n") > 5


def test_what_is_left_to_the_server_goes_on_there(far: str, tell: Tell) -> None:
    id = by_id(tell("run", "asks.yaml"))
    left = tell("answer", "latest", "--reject", "--detach")
    assert (left.code, left.out) == (0, "ask: rejected\n")
    assert f"assay logs -f {id}" in left.err
    assert "ExecutionFailed" in tell("logs", "-f", "--json", id).out
    paid = by_id(tell("run", "waits.yaml"))
    sent = tell("send", "paid", "--payload", "3")
    assert (sent.code, sent.out) == (0, "paid: sent to 1 execution\n")
    assert "ExecutionCompleted" in tell("logs", "-f", "--json", paid).out


def test_an_execution_is_steered(far: str, tell: Tell) -> None:
    id = by_id(tell("run", "asks.yaml"))
    assert "paused" in tell("pause", id).out
    assert tell("resume", id).code == 3
    stopped = tell("stop", "latest", "--reason", "enough", "--json")
    assert json.loads(stopped.out)["status"] == "cancelled"
    again = tell("stop", id)
    assert (again.code, again.err.splitlines()[-1]) == (
        2,
        f"error: execution {id} is cancelled already: nothing is left to stop",
    )


def test_who_has_to_wait_for_a_turn_is_told_so(far: str, tell: Tell, begin: Begin) -> None:
    first = by_id(tell("run", "takes.yaml"))
    second = begin("run", "takes.yaml")
    assert second.process.stderr is not None
    assert "all slots of 'one' are taken" in second.process.stderr.readline()
    assert tell("slots").out.count("one") == 2
    assert tell("stop", first).code == 0
    assert second.end() == 3


def test_a_signal_stops_what_is_watched(far: str, begin: Begin, desk: Path, tell: Tell) -> None:
    steps = "steps:\n  - {id: nap, type: shell, command: sleep 60}\n"
    (desk / "nap.yaml").write_text(f"name: nap\n{steps}")
    run = begin("run", "nap.yaml")
    run.until("started (shell)")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert json.loads(tell("list", "--json").out)[0]["status"] == "cancelled"


def test_the_option_is_the_setting(far: str, server: str, assay: Assay) -> None:
    assert assay("list", ASSAY_URL="").stdout == ""
    done = assay("--url", server, "run", "greet.yaml", "-i", "who=x", ASSAY_URL="")
    assert done.returncode == 0, done.stderr
    assert "greet@1" in assay("list").stdout


@pytest.mark.parametrize(
    "command",
    [
        ["worker"],
        ["serve"],
        ["resume"],
        ["export"],
        ["import", "x"],
        ["backup", "x"],
        ["store", "check"],
        ["bus", "setup"],
        ["mcp"],
    ],
    ids=" ".join,
)
def test_what_only_works_here_says_so(
    command: list[str], desk: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "http://127.0.0.1:9")
    told = tell(*command)
    assert (told.code, told.out) == (2, "")
    assert f"`assay {command[0]}` works on this machine, and ASSAY_URL" in told.err
    assert not (desk / ".assay").exists()


def test_a_server_that_is_not_there_is_said_in_a_line(
    desk: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    told = tell("list")
    assert time.monotonic() - began < 30
    assert told.code == 2
    assert re.fullmatch(r"error: no server answers at http://127.0.0.1:9 .*\n", told.err)


def test_a_key_that_is_none_is_said_in_a_line(
    far: str, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_KEY", "assay_00000000_" + "x" * 43)
    told = tell("list")
    assert told.code == 2
    assert "unknown or was revoked" in told.err


def test_who_may_not_register_runs_what_is_registered_just_so(
    desk: Path,
    tell: Tell,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("guarded")
    greet = desk / "greet.yaml"
    greet.write_text(FILES["greet.yaml"])
    monkeypatch.chdir(home)
    keys = {
        role: json.loads(tell("keys", "create", f"the {role}", "--role", role, "--json").out)
        for role in ("operator", "editor", "viewer")
    }
    monkeypatch.chdir(desk)
    with serving(home) as url:
        monkeypatch.setenv("ASSAY_URL", url)
        run = ("run", "greet.yaml", "-i", "who=Ada")

        def as_role(role: str) -> Told:
            monkeypatch.setenv("ASSAY_KEY", keys[role]["secret"])
            return tell(*run)

        assert (as_role("operator").code, "needs the role editor" in as_role("operator").err) == (
            2,
            True,
        )
        assert as_role("editor").code == 0
        assert as_role("operator").code == 0
        assert as_role("viewer").code == 2
        greet.write_text(FILES["greet.yaml"] + "description: other\n")
        changed = as_role("operator")
        assert (changed.code, "needs the role editor" in changed.err) == (2, True)
        changed = as_role("editor")
        assert (changed.code, "registered" in changed.err) == (2, True)


def test_who_sits_at_the_terminal_is_asked_there(far: str, command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "asks.yaml") as (process, terminal):
        read_until(terminal, "[y/N/later]")
        type_in(terminal, "y\r")
        rest = bare(read_until(terminal))
        assert process.wait() == 0
    assert "completed" in rest


def test_keys_are_made_and_revoked_at_the_server(
    far: str, tell: Tell, monkeypatch: pytest.MonkeyPatch, desk: Path
) -> None:
    assert tell("keys", "list").out == "there are no keys\n"
    made = tell("keys", "create", "me", "--role", "admin", "--json")
    admin = json.loads(made.out)
    monkeypatch.setenv("ASSAY_KEY", admin["secret"])
    made = tell("keys", "create", "ci", "--role", "operator", "--scope", "b-*", "--expires", "1d")
    assert made.out.startswith("key ")
    id = made.out.split()[1]
    assert f"{id}  operator, restricted on b-*  ci, until " in tell("keys", "list").out
    assert tell("keys", "revoke", id).out == f"revoked {id}, the key of ci\n"
    assert [k["id"] for k in json.loads(tell("keys", "list", "--json").out)] == [admin["id"]]
    for wrong in (["create", "x", "--role", "king"], ["revoke", "nobody"], ["list", "--tenant=a"]):
        assert tell("keys", *wrong).code == 2
    assert not (desk / ".assay").exists()
