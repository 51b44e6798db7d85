"""With ASSAY_URL the commands say of a server's triggers what they say of a store's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import Tell
from .test_remote import plain, serving

FILES = {
    "fired.yaml": """\
name: fired
inputs: {text: {type: string, default: nothing}}
outputs: {said: {value: "{{ say.output }}"}}
triggers:
  - {type: manual, description: By hand}
  - {type: manual, id: picky, if: "'text' in payload && payload.text == 'that'"}
  - {type: cron, schedule: "0 9 1 1 *", timezone: Europe/Rome}
steps:
  - {id: say, type: skill, skill: echo, inputs: {message: "{{ inputs.text }}"}}
""",
    "mine.yaml": "type: manual\nid: mine\nwith: {text: mine}\n",
    "misfit.yaml": "type: manual\nwith: {txt: mine}\n",
}

STORY = [
    ["register", "fired.yaml"],
    ["trigger", "list"],
    ["trigger", "list", "--type", "cron"],
    ["trigger", "fire", "fired.manual", "-i", "text=hi"],
    ["trigger", "fire", "fired.manual", "-p", '{"text": 1}'],
    ["trigger", "fire", "fired.picky", "--quiet"],
    ["trigger", "fire", "fired.picky", "-i", "text=that", "--quiet"],
    ["trigger", "firings"],
    ["trigger", "firings", "fired.picky", "--status", "skipped"],
    ["trigger", "replay", "f"],
    ["trigger", "show", "fired.cron"],
    ["trigger", "create", "fired", "misfit.yaml"],
    ["trigger", "create", "fired", "mine.yaml"],
    ["trigger", "create", "fired", "mine.yaml"],
    ["trigger", "fire", "fired.mine"],
    ["trigger", "disable", "fired.mine"],
    ["trigger", "fire", "fired.mine"],
    ["trigger", "delete", "fired.mine"],
    ["trigger", "delete", "fired.manual"],
    ["trigger", "show", "fired.mine"],
    ["schedules", "--count", "3"],
    ["schedules", "backfill", "fired.cron", "--from", "2024-06-01", "--to", "2026-06-01"],
    ["schedules", "disable", "fired.cron"],
    ["schedules"],
]

VARIES = (
    (r"\bf[0-9a-f]{31}\b", "FIRING"),
    (r"  profile .*\n", ""),  # nobody is bound on their own machine
    (r"  made by .*\n", ""),
)


@pytest.mark.timeout(240)
def test_a_servers_triggers_are_asked_for_as_a_stores_are(
    tmp_path_factory: pytest.TempPathFactory,
    desk: Path,
    tell: Tell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in FILES.items():
        (desk / name).write_text(text)

    def said(command: list[str]) -> tuple[list[str], int, str]:
        code, out = plain(tell(*command))
        for varies, name in VARIES:
            out = re.sub(varies, name, out)
        return command, code, out

    with serving(tmp_path_factory.mktemp("server")) as url:
        monkeypatch.setenv("ASSAY_URL", url)
        there = [said(command) for command in STORY]
        (made,) = json.loads(tell("trigger", "list", "--type", "cron", "--json").out)
        assert not (desk / ".assay").exists()
    monkeypatch.delenv("ASSAY_URL")
    here = [said(command) for command in STORY]

    for from_server, from_store in zip(there, here, strict=True):
        assert from_server == from_store
    (kept,) = json.loads(tell("trigger", "list", "--type", "cron", "--json").out)
    assert made.keys() == kept.keys()
    assert made["next_at"] == kept["next_at"]
