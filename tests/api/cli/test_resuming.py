"""Executions that are interrupted, stopped, paused and gone on with, by several processes."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from .conftest import Background, Begin, Tell

STEPS = """\
name: steps
steps:
  - {id: one, type: shell, command: "echo one >> done"}
  # Ends with the process that began it, as if the machine had lost its power.
  - id: two
    type: shell
    command: echo ready; until test -e go; do sleep 0.02; kill -0 $PPID; done; echo two >> done
  - {id: three, type: shell, command: "echo three >> done"}
"""
ONCE = """\
name: once
concurrency: {key: till, limit: 1}
steps:
  - id: pay
    type: shell
    effects: once
    command: echo pay >> done; echo ready; until test -e go; do sleep 0.02; kill -0 $PPID; done
"""
ORPHAN = """\
name: orphan
steps:
  - id: long
    type: shell
    command: |
      touch begun
      for before in $(cat begun); do
        # What has ended and was not reaped yet runs no program.
        readlink "/proc/$before/exe" >> alive || true
      done
      echo $$ >> begun
      echo ready
      until test -e go; do sleep 0.02; done
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (STEPS, ONCE, ORPHAN):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


def done(desk: Path) -> list[str]:
    """What the steps that ran wrote down."""
    return (desk / "done").read_text().split()


def in_the_middle(begin: Begin, name: str = "steps.yaml") -> Background:
    """An execution whose step `two` has begun, and is going to wait for the file `go`."""
    run = begin("run", name)
    run.until("| ready")
    return run


def test_what_a_crash_cut_off_goes_on_and_repeats_nothing(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    run = in_the_middle(begin)
    run.kill()
    (desk / "go").touch()
    resumed = tell("resume", run.id)
    assert resumed.code == 0
    assert re.search(r"execution  goes on$", resumed.out, re.MULTILINE)
    assert not re.search(r"  one  ", resumed.out)
    assert done(desk) == ["one", "two", "three"]


def test_where_a_crash_left_an_execution_is_said(begin: Begin, tell: Tell) -> None:
    run = in_the_middle(begin)
    running = tell("status", "latest").out
    assert re.search(r"^  two +shell +running ", running, re.MULTILINE)
    assert "another process drives it" in running
    run.kill()
    left = tell("status", "latest").out
    assert re.search(r"^  two +shell +interrupted$", left, re.MULTILINE)
    assert f"nobody drives it now; to go on: assay resume {run.id}\n" in left


def test_everything_that_nobody_drives_goes_on_at_once(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    runs = [in_the_middle(begin), in_the_middle(begin)]
    for run in runs:
        run.kill()
    (desk / "go").touch()
    resumed = tell("resume")
    assert resumed.code == 0
    *told, last = resumed.out.splitlines()
    assert sorted(line.split()[0] for line in told) == sorted(run.id for run in runs)
    assert all("steps@1  completed in " in line for line in told)
    assert last == "2 completed"
    assert sorted(done(desk)) == sorted(["one", "two", "three"] * 2)


def test_everything_is_told_as_json(begin: Begin, tell: Tell, desk: Path) -> None:
    in_the_middle(begin).kill()
    (desk / "go").touch()
    (line,) = tell("resume", "--json").out.splitlines()
    assert json.loads(line)["status"] == "completed"


def test_who_goes_on_with_everything_lets_go_when_told_to_end(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    run = in_the_middle(begin)
    run.kill()
    resuming = begin("resume")
    logs = begin("logs", "-f", run.id)
    logs.until("goes on")
    resuming.process.send_signal(signal.SIGTERM)
    assert resuming.end() == 130
    logs.until("queued as " + run.id + "; the worker ends")
    (desk / "go").touch()
    assert tell("resume").code == 0
    assert logs.end() == 0
    assert done(desk) == ["one", "two", "three"]


def test_nothing_to_go_on_with_is_no_error(tell: Tell) -> None:
    assert tell("resume") == (0, "nothing is left to go on with\n", "")


def test_what_another_process_drives_is_left_to_it(begin: Begin, tell: Tell, desk: Path) -> None:
    run = in_the_middle(begin)
    left = tell("resume", "latest")
    assert (left.code, left.out) == (0, "")
    assert left.err.startswith(f"another process drives {run.id}")
    assert tell("resume").out == "nothing is left to go on with\n"
    (desk / "go").touch()
    assert run.end() == 0


def test_a_stop_reaches_the_process_that_drives(begin: Begin, tell: Tell, desk: Path) -> None:
    run = in_the_middle(begin)
    stopped = tell("stop", run.id[:30], "--reason", "enough")
    assert stopped.code == 0
    assert stopped.out.startswith("cancelled in ")
    assert run.end() == 130
    assert "enough" in json.loads(tell("status", "latest", "--json").out)["error"]["message"]
    assert done(desk) == ["one"]


def test_what_nobody_drives_can_be_stopped(begin: Begin, tell: Tell, desk: Path) -> None:
    in_the_middle(begin).kill()
    assert tell("stop", "latest", "--json").code == 0
    assert tell("list", "--status", "cancelled").out != ""
    assert tell("resume").out == "nothing is left to go on with\n"


def test_a_pause_lets_the_step_end_that_runs(begin: Begin, tell: Tell, desk: Path) -> None:
    run = in_the_middle(begin)
    pausing = begin("pause", "latest")
    assert pausing.process.stderr is not None
    assert pausing.process.stderr.readline().startswith("pausing …")
    (desk / "go").touch()
    assert pausing.end() == 0
    assert run.end() == 3
    for lines in (pausing.lines, run.lines):
        assert f"to go on: assay resume {run.id}" in lines
    assert done(desk) == ["one", "two"]
    assert tell("resume", "latest").code == 0
    assert done(desk) == ["one", "two", "three"]


def test_a_worker_goes_on_with_what_others_left(begin: Begin, tell: Tell, desk: Path) -> None:
    run = in_the_middle(begin)
    worker = begin("worker")
    worker.until("Ctrl-C ends it in order")
    run.kill()
    assert run.id in worker.until("steps@1  goes on")
    (desk / "go").touch()
    worker.until("steps@1  completed")
    assert done(desk) == ["one", "two", "three"]
    worker.process.send_signal(signal.SIGINT)
    assert worker.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="programs are found by /proc")
def test_a_program_that_a_killed_worker_left_is_ended_before_its_step_runs_again(
    begin: Begin, desk: Path
) -> None:
    run = in_the_middle(begin, "orphan.yaml")
    run.kill()
    again = begin("resume", run.id)
    again.until("| ready")
    (desk / "go").touch()
    assert again.end() == 0
    assert len((desk / "begun").read_text().split()) == 2
    assert (desk / "alive").read_text() == ""


def test_a_worker_that_ends_lets_go_of_what_it_drives(begin: Begin, tell: Tell, desk: Path) -> None:
    in_the_middle(begin).kill()
    worker = begin("worker", "--json")
    worker.until("}")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 0
    assert json.loads(worker.lines[0])["type"] == "ExecutionResumed"
    (left,) = json.loads(tell("list", "--json").out)
    assert left["status"] == "queued"
    (desk / "go").touch()
    assert tell("resume").code == 0
    assert done(desk) == ["one", "two", "three"]


def test_an_effect_that_a_crash_cut_off_is_asked_about(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    in_the_middle(begin, "once.yaml").kill()
    asked = tell("resume", "latest")
    assert asked.code == 3
    assert re.search(r"^    assay answer q\w+ -v outcome=happened$", asked.out, re.MULTILINE)
    assert tell("answer", "-v", "outcome=perhaps").code == 2
    assert tell("answer", "-v", "outcome=happened").code == 0
    assert done(desk) == ["pay"]


def test_who_waits_for_a_slot_says_so_and_gets_it(begin: Begin, tell: Tell, desk: Path) -> None:
    first = in_the_middle(begin, "once.yaml")
    second = begin("run", "once.yaml")
    assert second.process.stderr is not None
    assert "all slots of 'till' are taken" in second.process.stderr.readline()
    held, waits = tell("slots", "till").out.splitlines()
    assert re.search(rf"^till +held +{first.id}  once  since ", held)
    assert re.search(r"^till +waits ", waits)
    assert [slot["held"] for slot in json.loads(tell("slots", "--json").out)] == [True, False]
    (desk / "go").touch()
    assert (first.end(), second.end()) == (0, 0)
    assert tell("slots").out == ""


def test_who_waits_for_a_slot_can_be_stopped(begin: Begin, tell: Tell, desk: Path) -> None:
    first = in_the_middle(begin, "once.yaml")
    second = begin("run", "once.yaml", "--quiet")
    assert second.process.stderr is not None
    second.process.stderr.readline()
    second.process.send_signal(signal.SIGINT)
    assert second.end() == 130
    (desk / "go").touch()
    assert first.end() == 0
    assert done(desk) == ["pay"]
