"""What is put into the store, taken out of it, and copied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Tell

HELLO = """\
name: hello
outputs: {said: {type: string, value: "{{ greet.output }}"}}
steps:
  - {id: greet, type: skill, skill: echo, inputs: {message: hello}}
"""
ASKS = """\
name: asks
steps:
  - {id: ask, type: approval, message: "Go on?"}
"""


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (HELLO, ASKS):
        (desk / f"{text.split()[1]}.yaml").write_text(text)


@pytest.fixture
def elsewhere(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """The command over another store."""

    def run(*arguments: str) -> object:
        with monkeypatch.context() as there:
            there.setenv("ASSAY_HOME", "elsewhere")
            return tell(*arguments)

    return run  # type: ignore[return-value]


def test_what_is_registered_runs_by_its_name(tell: Tell) -> None:
    kept = tell("register", "hello.yaml", "asks.yaml")
    assert (kept.code, kept.out) == (0, "registered hello@1\nregistered asks@1\n")
    assert tell("run", "hello").code == 0
    assert [w["name"] for w in json.loads(tell("register", "hello.yaml", "--json").out)] == [
        "hello"
    ]


def test_a_version_that_is_registered_never_changes(tell: Tell, desk: Path) -> None:
    tell("register", "hello.yaml")
    (desk / "hello.yaml").write_text(HELLO.replace("message: hello", "message: bye"))
    refused = tell("register", "hello.yaml")
    assert (refused.code, refused.out) == (2, "")


def test_nothing_is_registered_beside_what_is_wrong(tell: Tell, desk: Path) -> None:
    (desk / "wrong.yaml").write_text("name: wrong\nsteps: []\n")
    refused = tell("register", "hello.yaml", "wrong.yaml")
    assert refused.code == 2
    assert "wrong.yaml:" in refused.err
    assert tell("run", "hello").code == 2


def test_an_execution_moves_to_another_store(tell: Tell, elsewhere: Tell) -> None:
    tell("run", "hello.yaml", "-q")
    known = json.loads(tell("status", "latest", "--json").out)
    written = tell("export", "latest", "-o", "one.json")
    assert (written.code, written.out, written.err) == (0, "", "one.json: 1 document\n")
    taken = elsewhere("import", "one.json")
    assert (taken.code, taken.out) == (0, f"imported execution {known['execution_id']}\n")
    assert json.loads(elsewhere("status", "latest", "--json").out)["steps"] == known["steps"]


def test_everything_moves_and_what_waits_goes_on_there(tell: Tell, elsewhere: Tell) -> None:
    tell("register", "hello.yaml")
    tell("run", "asks.yaml", "-q")
    tell("run", "hello", "-q")
    documents = tell("export").out.splitlines()
    assert [json.loads(line)["assay"] for line in documents] == [
        "workflow",
        "execution",
        "execution",
    ]
    Path("all.json").write_text("\n".join(documents))
    assert len(json.loads(elsewhere("import", "all.json", "--json").out)) == 3
    assert elsewhere("answer", "--approve").code == 0
    assert elsewhere("run", "hello").code == 0


def test_one_that_is_there_does_not_keep_others_out(tell: Tell, elsewhere: Tell) -> None:
    for _ in range(2):
        tell("run", "hello.yaml", "-q")
    tell("export", "-o", "all.json")
    tell("export", "latest", "-o", "one.json")
    assert elsewhere("import", "one.json").code == 0
    taken = elsewhere("import", "all.json")
    assert taken.code == 2
    assert "exists already" in taken.err
    assert len(json.loads(elsewhere("list", "--json").out)) == 2


def test_an_archive_is_told_from_an_export(tell: Tell, elsewhere: Tell) -> None:
    tell("run", "hello.yaml", "-q")
    tell("export", "latest", "-o", "one.json")
    tell("store", "export", "--to", "one.jsonl")
    taken = elsewhere("import", "one.jsonl")
    read = "error: one.jsonl is an archive; read it with: assay store import\n"
    assert (taken.code, taken.err) == (2, read)
    taken = elsewhere("store", "import", "one.json")
    assert taken.code == 2
    assert taken.err.endswith("read with: assay import\n")


def test_an_export_that_fails_leaves_the_file_as_it_was(tell: Tell, desk: Path) -> None:
    (desk / "kept.json").write_text("kept")
    assert tell("export", "absent", "-o", "kept.json").code == 2
    assert (desk / "kept.json").read_text() == "kept"
    assert sorted(p.name for p in desk.iterdir() if "json" in p.name) == ["kept.json"]


def test_a_backup_is_a_store(tell: Tell, monkeypatch: pytest.MonkeyPatch, desk: Path) -> None:
    tell("run", "hello.yaml", "-q")
    assert tell("backup", "copy.db").out == "backed up to copy.db\n"
    again = tell("backup", "copy.db")
    assert again.code == 2
    assert "exists already" in again.err
    known = tell("status", "latest", "--json").out
    monkeypatch.setenv("ASSAY_STORE", f"sqlite:///{desk / 'copy.db'}")
    assert tell("status", "latest", "--json").out == known


def test_what_has_ended_can_be_deleted(tell: Tell) -> None:
    tell("run", "asks.yaml", "-q")
    assert "stop it before" in tell("delete", "latest").err
    tell("stop", "latest")
    assert tell("delete", "latest").out.startswith("deleted ")
    assert tell("list").out == ""
