"""`assay doctor` says what works, and its table is what the sandbox says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.scripted import Reply, ScriptedModel

from assay.graphs import profiles
from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.claims import CLAIMS
from assay.graphs.sandbox.probe import probe

from .conftest import Tell

PAGE = Path(__file__).parents[3] / "docs" / "sandbox.md"


def test_what_is_configured_works(tell: Tell) -> None:
    told = tell("doctor", "--json")

    assert told.code == 0, told.out
    data = json.loads(told.out)
    names = ["python", "store", "triggers", "bus", "model", "sandbox"]
    assert [check["name"] for check in data["checks"]] == names
    assert all(check["ok"] for check in data["checks"])
    assert {profile["profile"] for profile in data["profiles"]} == profiles.PROFILES.keys()
    for rung, footing in zip(data["rungs"], probe().values(), strict=True):
        assert rung["runs"] == footing.runs
        assert rung["closes"] == [claim.name for claim in footing.closes]


def test_people_are_told_every_way_out_and_whether_it_is_closed(tell: Tell) -> None:
    told = tell("doctor")

    assert told.code == 0
    for claim in CLAIMS:
        assert re.search(rf"^  {re.escape(claim.says)} .*(yes|-)$", told.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("ASSAY_STORE", "nowhere://x", "store"),
        ("ASSAY_BUS", "nowhere://x", "bus"),
        ("ASSAY_MODEL", "openai:", "model"),
        ("ASSAY_CLI_CLAUDE", "no-such-program -v", "cli"),
        ("ASSAY_CLI_CODEX", "codex 'unfinished", "cli"),
        ("ASSAY_URL", "http://127.0.0.1:1", "server"),
    ],
)
def test_what_is_configured_and_does_not_work_is_named(
    name: str, value: str, check: str, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    told = tell("doctor", "--json")

    assert told.code == 1
    assert [c["name"] for c in json.loads(told.out)["checks"] if not c["ok"]] == [check]


def test_the_models_server_is_asked(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedModel([Reply("Done.")]) as server:
        monkeypatch.setenv("ASSAY_MODEL", "scripted")
        monkeypatch.setenv("ASSAY_BASE_URL", server.url)
        assert tell("doctor").code == 0

    told = tell("doctor")

    assert told.code == 1
    assert "cannot be reached" in told.out


def test_a_profile_that_cannot_be_kept_is_no_fault_but_is_said(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "best", lambda: Rung.RLIMITS)

    told = tell("doctor")

    assert told.code == 0
    assert "restricted programs are not started here" in told.out


def test_the_page_has_the_same_table() -> None:
    rungs = (Rung.RLIMITS, Rung.JAIL, Rung.BUBBLEWRAP)
    rows = [
        [claim.says, *("yes" if claim.closed_by <= rung else "" for rung in rungs)]
        for claim in CLAIMS
    ]
    table = PAGE.read_text().partition("| a program cannot |")[2].partition("\n\n")[0]
    written = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]
    ]

    assert written == rows
