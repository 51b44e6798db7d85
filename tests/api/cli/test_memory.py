"""`assay memory list forget prune`: what agents remember."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Tell

TALKS = {
    "name": "talks",
    "inputs": {"who": {"type": "string", "required": True}},
    "steps": [
        {
            "id": "talk",
            "type": "agent",
            "prompt": "Say hi.",
            "model": "demo",
            "memory": {"key": "{{ inputs.who }}"},
        },
        {"id": "talked", "type": "assert", "condition": "talk.output.size() > 0"},
    ],
}


@pytest.fixture(autouse=True)
def talked(tell: Tell, desk: Path) -> None:
    (desk / "talks.json").write_text(json.dumps(TALKS))
    for who in ("ann", "bob \u2603"):
        assert tell("run", "talks.json", "-i", f"who={who}").code == 0


def keys(tell: Tell, *arguments: str) -> list[str]:
    return [m["key"] for m in json.loads(tell("memory", "list", "--json", *arguments).out)]


def test_it_is_listed_and_forgotten(tell: Tell) -> None:
    assert keys(tell) == keys(tell, "talks") == ["ann", "bob \u2603"]
    assert keys(tell, "other") == []
    assert [line.split()[:2] for line in tell("memory", "list").out.splitlines()] == [
        ["talks", "ann"],
        ["talks", "bob"],
    ]
    assert tell("memory", "forget", "talks", "ann").out == "forgot 1 turn, facts included\n"
    assert json.loads(tell("memory", "forget", "talks", "ann", "--json").out) == {"deleted": 0}
    assert keys(tell) == ["bob \u2603"]
    tell("memory", "forget", "talks", "bob \u2603")
    assert tell("memory", "list").out == ""


def test_what_was_added_to_lately_is_not_pruned(tell: Tell) -> None:
    assert tell("memory", "prune", "--unused", "1").out == ("0 keys and 0 verdicts forgotten\n")
    checked = json.loads(tell("memory", "prune", "--unused", "1", "--check", "--json").out)
    assert checked == {"memories": [], "verdicts": 0}
    assert len(keys(tell)) == 2


def test_what_is_old_is_pruned(tell: Tell, desk: Path) -> None:
    with closing(sqlite3.connect(desk / ".assay" / "assay.db", isolation_level=None)) as database:
        database.execute(
            "UPDATE memories SET at = '2020-01-01T00:00:00.000000Z' WHERE topic = 'ann'"
        )
        database.execute("UPDATE verdicts SET at = '2020-01-01T00:00:00.000000Z'")
    checked = tell("memory", "prune", "--unused", "30", "--check").out.splitlines()
    assert checked[0].split()[:2] == ["talks", "ann"]
    assert checked[1] == "1 key and 2 verdicts would be forgotten"
    assert len(keys(tell)) == 2
    found = json.loads(tell("memory", "prune", "--unused", "30", "--json").out)
    assert ([m["key"] for m in found["memories"]], found["verdicts"]) == (["ann"], 2)
    assert keys(tell) == ["bob \u2603"]
    assert tell("models", "--json").out == "[]\n"


def test_nobody_prunes_by_accident(tell: Tell) -> None:
    assert tell("memory", "prune").code == 2
    assert tell("memory", "prune", "--unused", "0").code == 2
    assert tell("memory", "prune", "--unused", "nan").code == 2
    assert tell("memory", "prune", "--unused", "1e12").code == 2
