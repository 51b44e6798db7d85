"""`assay test`: cases beside workflows, run as their authors' scripts run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Assay, Tell

WORKFLOW = """\
name: triage
inputs: {report: {type: string}}
outputs: {said: {value: "{{ look.output }}"}}
steps:
  - {id: look, type: agent, prompt: "What? {{ inputs.report }}", tools: [read_file]}
  - {id: rest, type: sleep, duration: 3d}
  - {id: sure, type: approval, message: Tell them?}
  - {id: known, type: assert, condition: "look.output != ''"}
"""
CASE = """\
workflow: ../triage.yaml
inputs: {report: blank page}
files: {log.txt: "no space left\\n"}
model:
  - {calls: [{tool: read_file, arguments: {path: log.txt}}]}
  - The disk is full.
answers: {sure: true}
expect:
  outputs: {said: The disk is full.}
  steps: {known: {status: completed}}
"""


@pytest.fixture
def cases(desk: Path) -> Path:
    (desk / "triage.yaml").write_text(WORKFLOW)
    (desk / "tests").mkdir()
    (desk / "tests" / "disk.yaml").write_text(CASE)
    return desk / "tests"


def test_what_comes_to_what_it_should_is_ok(assay: Assay, cases: Path) -> None:
    done = assay("test")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["ok      tests/disk.yaml", "1 case, none failed"]
    assert not (cases.parent / ".assay").exists(), "nothing of it stays"


def test_what_differs_is_told(tell: Tell, cases: Path) -> None:
    (cases / "other.yaml").write_text(
        CASE.replace("said: The disk", "said: A disk").replace(
            "status: completed", "status: failed"
        )
    )
    (cases / "short.yaml").write_text(CASE.replace("  - The disk is full.\n", ""))
    (cases / "silent.yaml").write_text(CASE.replace("answers: {sure: true}\n", ""))
    (cases / "long.yaml").write_text(CASE.replace("answers:", "  - Again.\nanswers:"))

    done = tell("test", "tests", "--json")

    told = {Path(case["case"]).stem: case["wrong"] for case in json.loads(done.out)}
    assert done.code == 1
    assert told["disk"] == []
    assert told["other"] == [
        "output 'said' is 'The disk is full.'; it should be 'A disk is full.'",
        "step 'known' is completed; it should be failed",
    ]
    assert "the script has no reply for request 2" in told["short"][0]
    assert "step 'sure' asks 'Tell them?'" in told["silent"][0]
    assert told["long"] == ["the model was asked 1 times less than it has replies"]


def test_a_failure_may_be_what_is_expected(tell: Tell, cases: Path) -> None:
    expected = "expect: {status: failed, error: busy}\n"
    head, _, _ = CASE.partition("model:")
    (cases / "disk.yaml").write_text(f"{head}model: [{{status: 503, text: busy}}]\n{expected}")

    assert tell("test").code == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inputs: {}\n", "workflow: Field required"),
        ("workflow: ../triage.yaml\nexpekt: {}\n", "expekt: Extra inputs are not permitted"),
        ("workflow: ../nothing.yaml\n", "nothing.yaml cannot be read"),
        ("workflow: ../triage.yaml\nfiles: {../x: y}\n", "lies outside the workspace"),
        ("workflow: [\n", "disk.yaml"),
    ],
)
def test_what_is_no_case_is_refused(tell: Tell, cases: Path, text: str, says: str) -> None:
    (cases / "disk.yaml").write_text(text)

    done = tell("test")

    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_without_cases_it_says_what_one_is(tell: Tell, desk: Path) -> None:
    done = tell("test")

    assert done.code == 2
    assert "there is no case tests" in done.err
