"""A worker as a platform runs it: told to end, asked how it is, with nothing to do."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from .conftest import Background, Begin, Tell

STEPS = """\
name: steps
steps:
  - {id: one, type: shell, command: "echo one >> done"}
  - id: two
    type: shell
    command: |
      echo two >> done; echo $$ >> pids
      until test -e go; do sleep 0.02; kill -0 $PPID; done
  - {id: three, type: shell, command: "echo three >> done"}
"""
MEET = """\
name: meet
steps:
  - id: meet
    type: shell
    command: touch here/$$; until test -e go; do sleep 0.02; kill -0 $PPID; done
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    (desk / "steps.yaml").write_text(STEPS)


def done(desk: Path) -> list[str]:
    """What the steps that ran wrote down."""
    return (desk / "done").read_text().split() if (desk / "done").exists() else []


def working(begin: Begin, *options: str) -> Background:
    """A worker that has begun to work."""
    worker = begin("worker", *options)
    worker.until("Ctrl-C ends it in order")
    return worker


def begun(begin: Begin, worker: Background, desk: Path) -> str:
    """An execution in its second step, which goes on until there is a file `go`; its id.

    Whoever began it is gone, and the worker has taken it up.
    """
    run = begin("run", "steps.yaml", "--json")
    until(lambda: len(done(desk)) == 2)
    run.kill()
    line = worker.until("steps@1  goes on")
    until(lambda: len(done(desk)) == 3)
    return line.split()[-4]


def until(true: Callable[[], bool]) -> None:
    """Look until it is so: other processes have no events to wait for."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def cut_off(desk: Path) -> bool:
    """The worker's program, the second after that of the process that is gone, has ended.

    What has ended and was not reaped yet runs no program.
    """
    pid = (desk / "pids").read_text().split()[1]
    try:
        return not Path(f"/proc/{pid}/exe").readlink()
    except FileNotFoundError:
        return True


def statuses(tell: Tell) -> list[str]:
    return [execution["status"] for execution in json.loads(tell("list", "--json").out)]


def status(tell: Tell) -> str:
    (one,) = statuses(tell)
    return one


def test_a_step_that_ends_within_the_grace_is_not_run_again(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    worker = working(begin, "--grace", "600")
    begun(begin, worker, desk)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.stderr is not None
    assert "600 s to end" in worker.process.stderr.readline()
    (desk / "go").touch()
    assert worker.end() == 0
    assert (done(desk), status(tell)) == (["one", "two", "two"], "queued")

    other = working(begin)
    other.until("steps@1  completed")
    assert done(desk) == ["one", "two", "two", "three"]


def test_a_step_that_does_not_is_cut_off_and_runs_on_another_worker(
    begin: Begin, desk: Path
) -> None:
    worker = working(begin, "--grace", "0.5")
    begun(begin, worker, desk)
    other = working(begin)
    at = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 0
    assert time.monotonic() - at >= 0.5
    assert cut_off(desk)

    (desk / "go").touch()
    other.until("steps@1  goes on")
    other.until("steps@1  completed")
    assert done(desk)[-2:] == ["two", "three"]
    assert done(desk).count("one") == 1


def test_a_second_signal_ends_it_at_once(begin: Begin, tell: Tell, desk: Path) -> None:
    worker = working(begin, "--grace", "600")
    begun(begin, worker, desk)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.stderr is not None
    assert "600 s to end" in worker.process.stderr.readline()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 0
    assert cut_off(desk)
    assert status(tell) == "queued"


def test_the_grace_can_be_set(begin: Begin, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_GRACE", "0.2")
    worker = working(begin)
    begun(begin, worker, desk)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.stderr is not None
    assert "0.2 s to end" in worker.process.stderr.readline()
    assert worker.end() == 0


@pytest.mark.parametrize("how", ["option", "setting", "both"])
def test_so_many_executions_run_at_once(
    begin: Begin, tell: Tell, desk: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """By the option, else by ASSAY_MAX_EXECUTIONS: three are left by others, and go on two at
    a time."""
    if how != "option":
        monkeypatch.setenv("ASSAY_MAX_EXECUTIONS", "2" if how == "setting" else "9")
    (desk / "steps.yaml").write_text(MEET)
    (desk / "here").mkdir()
    started = [begin("run", "steps.yaml") for _ in range(3)]
    until(lambda: len(list((desk / "here").iterdir())) == 3)
    for one in started:
        one.kill()
    for trace in (desk / "here").iterdir():
        trace.unlink()
    worker = working(begin, *(() if how == "setting" else ("--concurrency", "2")))
    until(lambda: len(list((desk / "here").iterdir())) == 2)
    worker.until("goes on")
    worker.until("goes on")
    time.sleep(1.2)  # twice as long as until it looks for more
    assert len(list((desk / "here").iterdir())) == 2
    (desk / "go").touch()
    until(lambda: statuses(tell) == ["completed"] * 3)
    assert len(list((desk / "here").iterdir())) == 3


def test_it_ends_when_nothing_was_to_do_for_so_long(begin: Begin, tell: Tell, desk: Path) -> None:
    (desk / "go").touch()
    run = begin("run", "steps.yaml")
    assert run.end() == 0
    worker = begin("worker", "--idle-exit", "0.5")
    assert worker.end() == 0
    assert any("working as" in line for line in worker.lines)


def test_it_does_not_idle_while_something_runs_or_is_left_to_do(
    begin: Begin, tell: Tell, desk: Path
) -> None:
    run = begin("run", "steps.yaml")
    until(lambda: len(done(desk)) == 2)
    run.kill()
    worker = begin("worker", "--idle-exit", "0.3")
    until(lambda: len(done(desk)) == 3)
    time.sleep(1.5)  # several times as long as it idles
    (desk / "go").touch()
    assert worker.end() == 0
    assert status(tell) == "completed"


def test_what_waits_for_an_answer_is_nothing_to_do(begin: Begin, tell: Tell, desk: Path) -> None:
    (desk / "steps.yaml").write_text("name: ask\nsteps:\n- {id: a, type: approval, message: x}\n")
    assert tell("run", "steps.yaml", "--no-ask").code == 3
    worker = begin("worker", "--idle-exit", "0.5")
    assert worker.end() == 0
    assert status(tell) == "waiting"


def test_it_says_how_it_is_where_it_is_told_to(begin: Begin, desk: Path) -> None:
    worker = begin("worker", "--health", "127.0.0.1:0", "--grace", "600")
    assert worker.process.stderr is not None
    url = worker.process.stderr.readline().split()[-1].removesuffix("/readyz")
    assert httpx.get(f"{url}/healthz").json() == {"alive": True}
    ready = httpx.get(f"{url}/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)

    begun(begin, worker, desk)
    worker.process.send_signal(signal.SIGTERM)
    assert "600 s to end" in worker.process.stderr.readline()
    until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    assert httpx.get(f"{url}/readyz").json()["worker"] == "draining"
    assert httpx.get(f"{url}/healthz").status_code == 200
    (desk / "go").touch()
    assert worker.end() == 0


@pytest.mark.parametrize(
    ("settings", "options", "says"),
    [
        ({}, ["--health", "8080"], "HOST:PORT"),
        ({}, ["--health", "127.0.0.1:99999"], "HOST:PORT"),
        ({}, ["--health", "192.0.2.1:80"], "nothing can listen at 192.0.2.1:80"),
        ({}, ["--concurrency", "0"], "concurrency"),
        ({}, ["--grace", "-1"], "grace"),
        ({"ASSAY_GRACE": "soon"}, [], "ASSAY_GRACE is 'soon'"),
        ({"ASSAY_GRACE": "nan"}, [], "ASSAY_GRACE is 'nan'"),
        ({"ASSAY_PUSH_AUDIENCE": "https://a"}, [], "--health HOST:PORT"),
        ({"ASSAY_PUSH_SENDER": "a@b"}, [], "without ASSAY_PUSH_AUDIENCE"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tell: Tell,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    options: list[str],
    says: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    told = tell("worker", *options)
    assert told.code == 2
    assert says in told.err
