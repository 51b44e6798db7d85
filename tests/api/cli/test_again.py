"""Beginning anew: after a failure, from a step, with other inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Tell
from .terminal import on_terminal, plain, read_until, type_in

MEND = """\
name: mend
inputs: {who: {type: string, default: you}}
outputs: {said: {type: string, value: "{{ greet.output }}"}}
steps:
  - {id: first, type: shell, command: "echo first >> done"}
  - {id: need, type: shell, command: "test -e mended"}
  - {id: greet, type: shell, command: "echo greet >> done; echo hello {{ inputs.who }}"}
"""
PAID = """\
name: paid
steps:
  - {id: pay, type: shell, effects: once, command: "echo pay >> done"}
  - {id: after, type: shell, command: "test ! -e broken"}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (MEND, PAID):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


def done(desk: Path) -> list[str]:
    """What the steps that ran wrote down."""
    return (desk / "done").read_text().split()


def failed(tell: Tell) -> str:
    """The id of an execution that failed at `need`, which has been mended since."""
    ran = tell("run", "mend.yaml", "--json", "-q")
    assert ran.code == 1
    Path("mended").touch()
    return str(json.loads(ran.out)["execution_id"])


def test_a_retry_goes_on_where_it_failed_when_that_is_mended(tell: Tell, desk: Path) -> None:
    old = failed(tell)
    retried = tell("retry", "latest")
    assert retried.code == 0
    assert retried.out.splitlines()[0].split("  ")[2].startswith("queued as ")
    assert "  first  " not in retried.out
    assert retried.err.startswith("Begins again at need.\n")
    assert done(desk) == ["first", "greet"]
    newest, oldest = json.loads(tell("list", "--json").out)
    assert (oldest["execution_id"], oldest["status"]) == (old, "failed")
    assert newest["origin"] == {"execution_id": old, "path": None, "how": "retry"}


def test_a_retry_may_begin_earlier(tell: Tell, desk: Path) -> None:
    failed(tell)
    assert tell("retry", "latest", "--from", "first", "--quiet").code == 0
    assert done(desk) == ["first", "first", "greet"]


def test_what_would_happen_can_be_asked_without_doing_it(tell: Tell, desk: Path) -> None:
    failed(tell)
    said = tell("retry", "latest", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Begins again at need.\n")
    plan = json.loads(tell("retry", "latest", "--dry-run", "--json").out)
    assert (plan["kept"], plan["begins"]) == (1, ["need"])
    assert [step["path"] for step in plan["again"]] == ["need", "greet"]
    assert plan["says"] == said.out.splitlines()
    assert done(desk) == ["first"]
    assert len(json.loads(tell("list", "--json").out)) == 1


def test_a_fork_may_have_other_inputs(tell: Tell, desk: Path) -> None:
    id = failed(tell)
    forked = tell("fork", id, "--from", "need", "-i", "who=me", "--json", "-q")
    assert forked.code == 0
    assert json.loads(forked.out)["outputs"] == {"said": "hello me"}
    assert json.loads(tell("status", "--json", id).out)["status"] == "failed"


@pytest.mark.parametrize("mode", ["--dry-run", "--yes"])
def test_inputs_that_do_not_fit_are_refused_before_anything_is_told(tell: Tell, mode: str) -> None:
    id = failed(tell)
    forked = tell("fork", id, "--from", "need", "-i", "whom=me", mode)
    assert (forked.code, forked.out) == (2, "")
    assert forked.err.startswith("error: workflow 'mend': there is no input 'whom'")


def test_what_must_happen_once_is_not_repeated_unasked(tell: Tell, desk: Path) -> None:
    assert tell("run", "paid.yaml", "-q").code == 0
    refused = tell("fork", "latest", "--from", "pay")
    assert (refused.code, refused.out) == (2, "")
    assert "WARNING: pay must happen only once" in refused.err
    assert "--yes" in refused.err.splitlines()[-1]
    assert tell("fork", "latest", "--from", "after").code == 0
    assert done(desk) == ["pay"]
    assert tell("fork", "latest", "--from", "pay", "--yes").code == 0
    assert done(desk) == ["pay", "pay"]


@pytest.mark.parametrize(
    ("typed", "code", "effects"), [("y\r", 0, 2), ("\r", 130, 1), ("\x03", 130, 1)]
)
def test_at_a_terminal_one_is_asked_first(
    command: tuple[str, ...], tell: Tell, desk: Path, typed: str, code: int, effects: int
) -> None:
    tell("run", "paid.yaml", "-q")
    with on_terminal(*command, "fork", "latest", "--from", "pay") as (process, terminal):
        seen = plain(read_until(terminal, "Go on? [y/N]"))
        assert "\n    WARNING: pay must happen only once" in seen
        type_in(terminal, typed)
        seen = plain(read_until(terminal))
        assert process.wait() == code
    assert ("nothing has been begun" in seen) is (code == 130)
    assert len(done(desk)) == effects


def test_nothing_to_begin_again_is_said(tell: Tell) -> None:
    tell("run", "paid.yaml", "-q")
    assert tell("retry", "latest").err.startswith("error: no step of this execution failed")
    missing = tell("fork", "latest", "--from", "pey")
    assert missing.code == 2
    assert "did you mean 'pay'" in missing.err or "there are: " in missing.err
