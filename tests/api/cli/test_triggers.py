"""`assay trigger` and `assay schedules` as people meet them, on the store of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Assay, Begin, Tell

EXAMPLE = Path(__file__).parents[3] / "graphs" / "examples" / "hand-over.yaml"

SAYS = """\
name: says
inputs: {text: {type: string, default: nothing}, times: {type: integer, default: 1}}
outputs: {said: {value: "{{ say.output }}"}}
triggers:
  - {type: manual, description: By hand}
  - {type: manual, id: many, if: payload.times > 3}
  - {type: manual, id: merging, debounce: 600s}
  - {type: cron, schedule: "0 9 * * MON-FRI", timezone: Europe/Rome}
steps:
  - {id: say, type: skill, skill: echo, inputs: {message: "{{ inputs.text }} {{ inputs.times }}"}}
"""

ASKS = """\
name: asks
triggers: [{type: manual, overlap: queue}]
steps:
  - {id: ask, type: approval, message: Go on?}
"""


@pytest.fixture(autouse=True)
def registered(desk: Path, tell: Tell) -> None:
    (desk / "says.yaml").write_text(SAYS)
    (desk / "asks.yaml").write_text(ASKS)
    assert tell("register", "says.yaml", "asks.yaml").code == 0


def firings(tell: Tell, *arguments: str) -> list[tuple[str, str]]:
    """The trigger and the status of each, newest first."""
    found = json.loads(tell("trigger", "firings", *arguments, "--json").out)
    return [(each["trigger"], each["status"]) for each in found]


def test_the_example_is_begun_by_hand(assay: Assay) -> None:
    assert "hand-over.shift" in assay("register", str(EXAMPLE)).stdout
    fire = ["trigger", "fire", "hand-over.shift", "-i", "who=Ada"]

    fired = assay(*fire, "-i", "open=2")
    nothing = assay(*fire, "-i", "open=0")

    assert fired.returncode == 0, fired.stderr
    assert "Ada hands over 2 open cases" in fired.stdout
    assert (nothing.returncode, nothing.stdout) == (1, "skipped: `if` was false\n")


def test_whoever_registers_is_told_what_starts_it(tell: Tell) -> None:
    told = tell("register", "says.yaml", "asks.yaml")

    assert [line.split()[:2] for line in told.out.splitlines()] == [
        ["registered", "says@1"],
        ["says.cron", "cron"],
        ["says.manual", "manual"],
        ["says.many", "manual"],
        ["says.merging", "manual"],
        ["registered", "asks@1"],
        ["asks.manual", "manual"],
    ]
    assert "assay serve" in told.err
    (first, second) = json.loads(tell("register", "says.yaml", "asks.yaml", "--json").out)
    assert first["triggers"] == ["says.cron", "says.manual", "says.many", "says.merging"]
    assert second["triggers"] == ["asks.manual"]


def test_what_fires_is_watched_to_its_end_without_a_server(tell: Tell) -> None:
    told = tell("trigger", "fire", "says.manual", "-i", "text=hi", "-i", "times=3", "--json")
    *events, last = [json.loads(line) for line in told.out.splitlines()]

    assert told.code == 0
    assert (events[0]["type"], events[-1]["type"]) == ("ExecutionQueued", "ExecutionCompleted")
    assert last["outputs"] == {"said": "hi 3"}
    assert last["inputs"] == {"text": "hi", "times": 3}
    assert firings(tell, "says.manual") == [("says.manual", "started")]


def test_the_payload_is_json_or_a_file_of_it(tell: Tell, desk: Path) -> None:
    (desk / "says").mkdir()  # a folder that is called like the workflow
    (desk / "payload.json").write_text('{"text": "from a file", "times": 1}')
    fire = ["trigger", "fire", "says.manual", "--quiet"]

    assert "from a file 2" in tell(*fire, "-p", "@payload.json", "-i", "times=2").out
    assert "nothing 1" in tell(*fire).out
    for wrong, said in (
        (["-p", "text"], "is not JSON"),
        (["-p", "@absent.json"], "cannot be read"),
        (["-p", "[1]", "-i", "text=x"], "no object"),
        (["-a", "text"], "-a name=value"),
    ):
        refused = tell(*fire, *wrong)
        assert (refused.code, said in refused.err) == (2, True), refused


def test_exit_codes_are_those_of_run(tell: Tell) -> None:
    assert tell("trigger", "fire", "asks.manual").code == 3
    assert tell("trigger", "fire", "says.many", "-i", "times=1").code == 1
    dead = tell("trigger", "fire", "says.manual", "-p", '{"times": "x"}')
    assert dead.code == 1
    assert dead.out.startswith("dead: invalid_input: ")
    for absent in (["fire", "says.nothing"], ["show", "x"], ["replay", "f1"], ["firings", "y"]):
        assert tell("trigger", *absent).code == 2


def test_a_key_fires_once(tell: Tell) -> None:
    both = [tell("trigger", "fire", "says.manual", "--key", "k", "--json") for _ in range(2)]

    ids = [json.loads(told.out.splitlines()[-1])["execution_id"] for told in both]
    assert [told.code for told in both] == [0, 0]
    assert len(set(ids)) == 1
    assert len(firings(tell)) == 1


def test_what_is_dead_is_replayed(tell: Tell, desk: Path) -> None:
    assert tell("trigger", "fire", "says.manual", "-p", '{"times": "x"}').code == 1
    (dead,) = json.loads(tell("trigger", "firings", "--status", "dead", "--json").out)

    again = tell("trigger", "replay", dead["id"][:8])
    assert (again.code, again.out[:4]) == (1, "dead")
    (desk / "says.yaml").write_text(SAYS.replace("type: integer, default: 1", "type: string"))
    (desk / "says.yaml").write_text(
        (desk / "says.yaml").read_text().replace("name: says\n", 'name: says\nversion: "2"\n')
    )
    assert tell("register", "says.yaml").code == 0
    assert "nothing x" in tell("trigger", "replay", dead["id"]).out
    assert tell("trigger", "replay", dead["id"]).code == 2


def test_one_is_made_from_a_file_switched_and_deleted(tell: Tell, desk: Path) -> None:
    (desk / "mine.yaml").write_text("type: manual\nid: mine\nwith:\n  txt: x\n")
    wrong = tell("trigger", "create", "says", "mine.yaml")
    assert (wrong.code, wrong.err.startswith("error: mine.yaml:4:")) == (2, True), wrong.err
    (desk / "mine.yaml").write_text("type: manual\nid: mine\nwith: {text: mine}\n")

    assert tell("trigger", "create", "says", "mine.yaml").out == "created says.mine\n"
    assert tell("trigger", "create", "says", "mine.yaml").code == 2
    assert "mine 1" in tell("trigger", "fire", "says.mine").out
    assert tell("trigger", "disable", "says.mine").out == "says.mine is off\n"
    refused = tell("trigger", "fire", "says.mine")
    assert (refused.code, "switched off" in refused.err) == (2, True)
    assert "says.mine  manual  off" in tell("trigger", "show", "says.mine").out
    assert json.loads(tell("trigger", "enable", "says.mine", "--json").out)["enabled"] is True
    assert tell("trigger", "delete", "says.mine").out == "deleted says.mine\n"
    assert tell("trigger", "delete", "says.manual").code == 2
    listed = json.loads(tell("trigger", "list", "--workflow", "says", "--json").out)
    assert [each["id"] for each in listed] == [
        "says.cron",
        "says.manual",
        "says.many",
        "says.merging",
    ]


def test_the_clock_is_shown_where_the_reader_is(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        words = "At 09:00 on Monday through Friday, Europe/Rome"
        lines = tell("schedules", "--count", "2").out.splitlines()
        assert [len(line.split("  ")) > 1 for line in lines] == [True, True]
        assert lines[0].startswith("says.cron")
        assert lines[0].endswith(words)
        assert lines[0].split()[2] in ("16:00:00", "17:00:00")  # with and without summer time
        (clock,) = json.loads(tell("schedules", "--json").out)
        assert clock["says"] == words
        assert clock["next"][0] == clock["next_at"]
        assert tell("schedules", "disable", "says.cron").out == "says.cron is off\n"
        assert tell("schedules").out.split()[:2] == ["says.cron", "off"]
        assert tell("schedules", "enable", "says.cron").out.startswith("says.cron is on; next 2")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_range_is_made_up_for_once(tell: Tell) -> None:
    week = ["--from", "2026-11-16T00:00:00Z", "--to", "2026-11-21T00:00:00Z"]

    first = tell("schedules", "backfill", "says.cron", *week)
    again = json.loads(tell("schedules", "backfill", "says.cron", *week, "--json").out)

    assert first.out.startswith("says.cron fires for 5 due times; ")
    assert len({each["id"] for each in again}) == 5
    assert len(firings(tell, "says.cron")) == 5
    for wrong in (["--from", "soon"], ["--from", "2999-01-01"]):
        assert tell("schedules", "backfill", "says.cron", *wrong).code == 2
    assert tell("schedules", "backfill", "says.manual", *week).code == 2


def test_what_is_left_to_others_is_begun_by_whoever_serves(tell: Tell, begin: Begin) -> None:
    left = tell("trigger", "fire", "says.manual", "-i", "text=later", "--detach")
    assert left.code == 0
    assert firings(tell) == [("says.manual", "pending")]

    server = begin("serve", "--port", "0", "--verbose")
    try:
        server.until("says.manual (manual)")
        assert "5 triggers fire" in server.lines
        assert any("says.cron (cron)  next " in line for line in server.lines)
        # Another one in the meantime: whoever is first begins it, and it is watched either way.
        watched = tell("trigger", "fire", "says.manual", "-i", "text=now")
        assert (watched.code, "now 1" in watched.out) == (0, True)
        end = time.monotonic() + 60
        while ("says.manual", "pending") in firings(tell):
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    assert firings(tell) == [("says.manual", "started")] * 2


TICKS = """\
name: ticks
triggers: [{type: cron, seconds: true, schedule: "* * * * * *", with: {at: "{{ payload.due }}"}}]
inputs: {at: {type: string, required: true}}
steps:
  - {id: note, type: shell, command: "echo {{ inputs.at }} >> ticked"}
"""


def test_the_clock_fires_while_somebody_serves_and_goes_on_with_the_next(
    tell: Tell, begin: Begin, desk: Path
) -> None:
    (desk / "ticks.yaml").write_text(TICKS)
    assert tell("register", "ticks.yaml").code == 0
    ticked = desk / "ticked"

    for more in (2, 4):
        server = begin("serve", "--port", "0")
        server.until("ends it in order")
        end = time.monotonic() + 60
        while not ticked.exists() or len(ticked.read_text().split()) < more:
            assert time.monotonic() < end
            time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0

    due = ticked.read_text().split()
    assert len(set(due)) == len(due)
    assert {status for _, status in firings(tell, "ticks.cron")} <= {
        "started",
        "pending",
        "waiting",
    }


def test_others_firings_are_left_alone(tell: Tell) -> None:
    assert tell("trigger", "fire", "says.many", "-i", "times=9", "--detach").code == 0

    assert tell("trigger", "fire", "says.manual").code == 0

    assert firings(tell) == [("says.manual", "started"), ("says.many", "pending")]


def test_what_waits_for_its_turn_may_be_left(
    tell: Tell, desk: Path, command: tuple[str, ...]
) -> None:
    fire = ["trigger", "fire", "says.merging", "-i", "text=one"]
    process = subprocess.Popen(
        [*command, *fire],
        cwd=desk,
        env=os.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert "waits for its turn" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, "is left to whoever serves" in err) == (130, True)
    assert firings(tell) == [("says.merging", "waiting")]


def test_definitions_say_what_would_start_them(tell: Tell) -> None:
    clock = "cron (cron): At 09:00 on Monday through Friday, Europe/Rome; next 2"
    valid, plan = tell("validate", "says.yaml"), tell("plan", "says.yaml")

    assert any(line.strip().startswith(clock) for line in valid.out.splitlines())
    assert any(line.strip().startswith(clock) for line in plan.out.splitlines())
    (checked,) = json.loads(tell("validate", "says.yaml", "--json").out)
    planned = json.loads(tell("plan", "says.yaml", "--json").out)
    ids = ["manual", "many", "merging", "cron"]
    assert [each["id"] for each in checked["triggers"]] == ids
    assert [each["id"] for each in planned["triggers"]] == ids
    assert checked["triggers"][3]["next_at"].endswith("Z")


def test_the_doctor_tells_of_triggers_that_can_start_nothing(tell: Tell, desk: Path) -> None:
    assert "5 triggers, 0 switched off" in tell("doctor").out
    _spoil(desk)

    told = tell("doctor", "--json")

    (check,) = [c for c in json.loads(told.out)["checks"] if c["name"] == "triggers"]
    assert (told.code, check["ok"]) == (1, False)
    assert "gone.manual: " in check["says"]
    assert "says.odd: 'odd' is not a kind of trigger" in check["says"]


HOOKED = """\
name: hooked
triggers:
  - type: webhook
    description: Takes secret://words
    verify: {scheme: github, secret: [secret://old, secret://new]}
steps: [{id: say, type: skill, skill: echo}]
"""


def test_the_doctor_tells_of_a_webhook_whose_secret_is_not_there(
    tell: Tell, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends to it learns nothing, for they could be anybody."""
    (desk / "hooked.yaml").write_text(HOOKED)
    monkeypatch.setenv("ASSAY_SECRET_OLD", "it is long enough")
    tell("register", "hooked.yaml")

    lacking = tell("doctor")
    monkeypatch.setenv("ASSAY_SECRET_NEW", "and so is this one")

    assert "hooked.webhook: there is no secret 'new'; set ASSAY_SECRET_NEW" in lacking.out
    assert "6 triggers, 0 switched off" in tell("doctor").out


def _spoil(desk: Path) -> None:
    """As older versions, plugins that are gone and deleted workflows leave a store."""
    program = """
import asyncio
from assay.api.cli.lookup import open_store
from assay.graphs.firing import Trigger

async def spoil():
    async with open_store() as store:
        await store.put_trigger(Trigger("gone.manual", "gone", "manual", {"type": "manual"}))
        await store.put_trigger(Trigger("says.odd", "says", "odd", {"type": "odd"}))

asyncio.run(spoil())
"""
    subprocess.run([sys.executable, "-c", program], cwd=desk, check=True, timeout=60)
