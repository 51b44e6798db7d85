"""What waits is said, asked and answered: for people, for events, for time."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from assay.api.cli.local import me

from .conftest import Begin, Tell
from .terminal import on_terminal, plain, read_until, type_in

REVIEW = """\
name: review
outputs: {verdict: {type: string, value: "{{ ask.status }}"}}
steps:
  - id: build
    type: shell
    command: echo built >> done; until test ! -e hold; do sleep 0.02; done
  - {id: ask, type: approval, message: "Open a pull request?"}
  - {id: publish, type: shell, command: "echo published >> done"}
"""
FORM = """\
name: form
outputs: {given: {type: object, value: "{{ ask.output }}"}}
steps:
  - id: ask
    type: approval
    message: |
      How many?
      Say it.
    schema:
      type: object
      properties: {count: {type: integer}, note: {type: string}}
      required: [count]
"""
GATE = """\
name: gate
steps:
  - {id: gate, type: wait_event, event: deployed, key: web}
  - {id: after, type: shell, command: "echo after >> done"}
"""
BOTH = """\
name: both
steps:
  - id: both
    type: parallel
    steps:
      - {id: left, type: approval, message: "Left?"}
      - {id: right, type: approval, message: "Right?"}
"""
TWO = """\
name: two
steps:
  - {id: ask, type: approval, message: "Both of you?", approvals: 2}
"""
NAP = """\
name: nap
steps:
  - {id: nap, type: sleep, duration: 300ms}
"""
LONG = """\
name: long
steps:
  - {id: nap, type: sleep, duration: 2d}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (REVIEW, FORM, GATE, BOTH, TWO, NAP, LONG):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


def done(desk: Path) -> list[str]:
    """What the steps that ran wrote down."""
    return (desk / "done").read_text().split()


def commands(text: str) -> list[list[str]]:
    """The commands that a hint shows, to be copied."""
    found = re.findall(r"^ +assay (.+)$", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


def test_a_question_ends_the_command_with_three_and_says_how_to_answer(
    tell: Tell, desk: Path
) -> None:
    asked = tell("run", "review.yaml")
    assert (asked.code, asked.err) == (3, "")
    assert "\nask asks: Open a pull request?\n" in asked.out
    approve, reject = commands(asked.out)
    assert [approve[0], approve[2:], reject[2:]] == ["answer", ["--approve"], ["--reject"]]

    answered = tell(*approve, "--as", "ann")
    assert answered.code == 0
    assert answered.out.startswith("ask: approved\n")
    assert "ask  answered by ann" in answered.out
    assert "completed in " in answered.out
    assert done(desk) == ["built", "published"]


def test_a_rejection_fails_the_execution(tell: Tell, desk: Path) -> None:
    *_, reject = commands(tell("run", "review.yaml").out)
    rejected = tell(*reject, "--as", "ann")
    assert rejected.code == 1
    assert "error at ask: " in rejected.out
    assert done(desk) == ["built"]


def test_where_an_execution_stands_says_what_it_waits_for(tell: Tell) -> None:
    asked = tell("run", "review.yaml")
    stands = tell("status", "latest").out
    assert re.search(r"^  ask +approval +waiting +\S+ +asks: Open a pull request\?$", stands, re.M)
    assert commands(stands) == commands(asked.out)
    (question,) = json.loads(tell("status", "latest", "--json").out)["questions"]
    assert question["message"] == "Open a pull request?"
    (listed,) = tell("questions").out.splitlines()
    assert listed.startswith(question["id"])
    assert json.loads(tell("questions", "--json", "--execution", "latest").out) == [question]


def test_json_ends_with_the_execution_and_its_questions(tell: Tell) -> None:
    asked = tell("run", "review.yaml", "--json")
    *events, last = map(json.loads, asked.out.splitlines())
    assert asked.code == 3
    assert events[-1]["type"] == "ExecutionWaiting"
    assert (last["status"], last["questions"][0]["path"]) == ("waiting", "ask")

    answered = tell("answer", "--approve", "--json")
    *events, last = map(json.loads, answered.out.splitlines())
    assert answered.code == 0
    assert events[0]["type"] == "ExecutionResumed"
    assert (last["status"], last["questions"]) == ("completed", [])


def test_only_one_open_question_needs_no_name(tell: Tell) -> None:
    tell("run", "review.yaml")
    assert tell("answer", "--approve").code == 0
    none = tell("answer", "--approve")
    assert none.code == 2
    assert none.err.startswith("error: no question is open")


def test_several_open_questions_are_listed_to_choose_from(tell: Tell) -> None:
    asked = tell("run", "both.yaml")
    refused = tell("answer", "--approve")
    assert refused.code == 2
    assert refused.err.startswith("error: 2 questions are open; say which one:")
    assert commands(refused.err) == commands(asked.out)
    (left, *_), (right, *_) = [c[1:] for c in commands(asked.out) if c[-1] == "--approve"]
    assert tell("answer", left, "--approve").code == 3
    assert tell("answer", right[:12], "--approve").code == 0


def test_an_execution_stands_for_its_only_question(tell: Tell) -> None:
    tell("run", "review.yaml")
    tell("run", "review.yaml")
    assert tell("answer", "latest", "--approve").code == 0
    (listed,) = json.loads(tell("questions", "--json").out)
    assert tell("answer", listed["execution_id"], "--approve").code == 0


def test_a_value_is_given_by_its_members_as_the_schema_types_them(tell: Tell) -> None:
    asked = tell("run", "form.yaml")
    assert "ask asks:\n    How many?\n    Say it.\n" in asked.out
    assert commands(asked.out)[0][2:] == ["-v", "count=…"]
    wrong = tell("answer", "-v", "count=many")
    assert wrong.code == 2
    assert "count: " in wrong.err
    answered = tell("answer", "-v", "count=3", "-v", "note=4", "--json", "--quiet")
    assert answered.code == 0
    assert json.loads(answered.out)["outputs"]["given"] == {"count": 3, "note": "4"}


def test_a_value_is_given_as_json(tell: Tell) -> None:
    tell("run", "form.yaml")
    answered = tell("answer", "--value", '{"count": 3}', "--json", "-q")
    assert json.loads(answered.out)["outputs"]["given"] == {"count": 3}


def test_a_vote_that_does_not_decide_is_counted(tell: Tell) -> None:
    asked = tell("run", "two.yaml")
    assert "0 of 2 have said yes" in asked.out
    first = tell("answer", "--approve", "--as", "ann")
    assert (first.code, first.out) == (0, "ask: 1 of 2 have said yes; it waits for the others\n")
    assert "1 of 2 have said yes" in tell("status", "latest").out
    assert tell("answer", "--approve", "--as", "bob").code == 0
    assert tell("list", "--status", "completed").out != ""


def test_an_answer_may_leave_going_on_to_others(tell: Tell, desk: Path) -> None:
    tell("run", "review.yaml")
    answered = tell("answer", "--approve", "--detach")
    assert (answered.code, answered.out) == (0, "ask: approved\n")
    assert "assay resume " in answered.err
    assert done(desk) == ["built"]
    resumed = tell("resume")
    assert resumed.code == 0
    assert resumed.out.endswith("1 completed\n")
    assert done(desk) == ["built", "published"]


def test_what_is_paused_is_answered_and_stays_paused(tell: Tell) -> None:
    tell("run", "review.yaml")
    assert tell("pause", "latest").code == 0
    answered = tell("answer", "--approve")
    assert answered.code == 0
    assert "is paused" in answered.err
    assert tell("resume").out == "nothing is left to go on with\n"
    assert tell("resume", "latest").code == 0


def test_an_event_lets_go_on_what_waits_for_it(tell: Tell, desk: Path) -> None:
    asked = tell("run", "gate.yaml")
    assert asked.code == 3
    assert "gate waits for the event 'deployed' with the key 'web'" in asked.out
    ((_, name, *key),) = commands(asked.out)
    elsewhere = tell("send", name, "--key", "shop")
    assert (elsewhere.code, elsewhere.out) == (0, "deployed: kept: no execution waits for it\n")
    sent = tell("send", name, *key, "--payload", '{"n": 1}')
    assert sent.code == 0
    assert sent.out.startswith("deployed: sent to 1 execution\n")
    assert done(desk) == ["after"]


def test_a_short_sleep_is_sat_out(tell: Tell) -> None:
    slept = tell("run", "nap.yaml")
    assert slept.code == 0
    assert re.search(r"nap  sleeps until \S+, \S+ left", slept.out)


def test_a_long_sleep_is_not_sat_out(tell: Tell) -> None:
    sleeps = tell("run", "long.yaml")
    assert sleeps.code == 3
    assert re.search(r"^nap sleeps until \d{4}-\d\d-\d\d \d\d:\d\d, 2d left$", sleeps.out, re.M)
    assert re.search(r"^past that time: assay resume \S+, or a worker$", sleeps.out, re.M)
    assert tell("questions").out == ""
    assert "sleeps" in tell("questions", "--all").out


def test_what_another_process_has_hold_of_goes_on_there(tell: Tell, begin: Begin) -> None:
    left, right = [c[1] for c in commands(tell("run", "both.yaml").out) if c[-1] == "--approve"]
    worker = begin("worker")
    worker.until("Ctrl-C ends it in order")
    assert tell("answer", left, "--approve", "--detach").code == 0
    worker.until("both@1  waiting")
    answered = tell("answer", right, "--approve")
    assert (answered.code, answered.out) == (0, "both.right: approved\n")
    worker.until("both@1  completed")


ASKED = "Open a pull request? [y/N/later]"


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        ("y\r", 0, "approved by"),
        ("YES\r", 0, "approved by"),
        ("n\r", 1, "error at ask: "),
        ("\r", 1, "error at ask: "),
        ("later\r", 3, "--approve"),
        ("\x04", 3, "--approve"),
        ("\x03", 130, "cancelled in "),
    ],
)
def test_who_sits_at_the_terminal_is_asked_there(
    command: tuple[str, ...], typed: str, code: int, says: str
) -> None:
    with on_terminal(*command, "run", "review.yaml") as (process, terminal):
        read_until(terminal, ASKED)
        type_in(terminal, typed)
        rest = read_until(terminal)
        assert process.wait() == code
    assert says in plain(rest)
    assert "Traceback" not in rest


def test_what_makes_no_sense_is_asked_again_and_nothing_of_it_stays(
    command: tuple[str, ...],
) -> None:
    with on_terminal(*command, "run", "review.yaml") as (process, terminal):
        read_until(terminal, ASKED)
        type_in(terminal, "perhaps\r")
        # The tree, the empty line and the question are taken away together.
        assert "\r\x1b[6A\x1b[J" in read_until(terminal, ASKED)
        type_in(terminal, "y\r")
        read_until(terminal)
        assert process.wait() == 0


def test_what_was_typed_before_is_no_answer(command: tuple[str, ...], desk: Path) -> None:
    (desk / "hold").touch()
    with on_terminal(*command, "run", "review.yaml") as (process, terminal):
        read_until(terminal, "build")
        type_in(terminal, "y\r")
        (desk / "hold").unlink()
        read_until(terminal, ASKED)
        type_in(terminal, "later\r")
        read_until(terminal)
        assert process.wait() == 3


def test_who_is_asked_may_be_too_late(command: tuple[str, ...], tell: Tell) -> None:
    with on_terminal(*command, "run", "review.yaml") as (process, terminal):
        read_until(terminal, ASKED)
        assert tell("answer", "--approve", "--as", "ann").code == 0
        rest = read_until(terminal)
        assert process.wait() == 0
    assert "approved by ann" in plain(rest)


def test_nobody_is_asked_who_does_not_want_to_be(command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "review.yaml", "--no-ask") as (process, terminal):
        seen = plain(read_until(terminal))
        assert process.wait() == 3
    assert "[y/N/later]" not in seen
    assert "assay answer q" in seen


def test_a_dumb_terminal_is_asked_on_a_line(command: tuple[str, ...]) -> None:
    with on_terminal(*command, "run", "review.yaml", environ={"TERM": "dumb"}) as (
        process,
        terminal,
    ):
        read_until(terminal, ASKED)
        type_in(terminal, "y\r")
        seen = read_until(terminal)
        assert process.wait() == 0
    assert f"answered by {me()}" in seen
    assert "\x1b" not in seen


def test_whoever_goes_on_with_everything_hears_for_how_many_answers_each_waits(
    tell: Tell, desk: Path
) -> None:
    """A sleep is nobody's to answer."""
    rest = "      - {id: rest, type: sleep, duration: 1h}\n"
    (desk / "rest.yaml").write_text(BOTH + rest)
    waits = json.loads(tell("run", "rest.yaml", "--json", "-q").out)
    left = next(q["id"] for q in waits["questions"] if q["path"] == "both.left")
    assert tell("answer", left, "--approve", "--detach").code == 0
    told = tell("resume")
    assert told.code == 3
    assert f"waiting for 1 answer: assay status {waits['execution_id']}\n" in told.out


def test_what_is_neither_a_question_nor_an_execution_is_told_so(tell: Tell) -> None:
    told = tell("answer", "nothing", "--approve")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: 'nothing' is neither a question nor an execution")
