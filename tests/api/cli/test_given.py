"""Inputs from the command line have the types that the workflow declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.api.cli.given import inputs_from
from assay.graphs.errors import InvalidInput, InvalidSpec
from assay.graphs.workflow import Input, Workflow

WORKFLOW = Workflow.model_construct(
    name="test",
    steps=(),
    inputs={
        "text": Input(),
        "count": Input(type="integer"),
        "list": Input(type="array"),
        "yes": Input(type="boolean"),
    },
)


def test_values_are_typed_as_declared() -> None:
    pairs = ["text=3", "count=3", "list=[1, 2]", "yes=true"]
    assert inputs_from(WORKFLOW, pairs, None) == {
        "text": "3",
        "count": 3,
        "list": [1, 2],
        "yes": True,
    }


def test_a_value_may_hold_what_parts_it_from_its_name() -> None:
    assert inputs_from(WORKFLOW, ["text=a=b"], None) == {"text": "a=b"}


def test_at_reads_a_file_and_twice_is_the_letter(desk: Path) -> None:
    (desk / "long.txt").write_text("a\nb\n")
    (desk / "list.json").write_text("[1]")
    pairs = ["text=@long.txt", "list=@list.json"]
    assert inputs_from(WORKFLOW, pairs, None) == {"text": "a\nb\n", "list": [1]}
    assert inputs_from(WORKFLOW, ["text=@@home"], None) == {"text": "@home"}


@pytest.mark.parametrize("name", ["given.yaml", "given.json"])
def test_what_is_given_one_by_one_beats_the_file(desk: Path, name: str) -> None:
    (desk / name).write_text('{"count": 1, "text": "from the file"}')
    assert inputs_from(WORKFLOW, ["count=2"], name) == {"count": 2, "text": "from the file"}


def test_what_does_not_fit_is_handed_on_to_be_refused_by_name() -> None:
    assert inputs_from(WORKFLOW, ["count=many", "other=x"], None) == {
        "count": "many",
        "other": "x",
    }


@pytest.mark.parametrize(
    ("pairs", "file", "says"),
    [
        (["text"], None, "-i 'text' names no value; write -i name=value"),
        (["=x"], None, "-i '=x' names no value"),
        (["text=@absent"], None, "absent cannot be read: No such file"),
        (["text=@binary"], None, "the file binary is not UTF-8 text"),
        ([], "list.json", "list.json holds no inputs"),
        ([], "absent.yaml", "absent.yaml cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(
    desk: Path, pairs: list[str], file: str | None, says: str
) -> None:
    (desk / "binary").write_bytes(b"\xff\xfe\x00")
    (desk / "list.json").write_text("[1]")
    with pytest.raises(InvalidInput, match=says.replace("(", r"\(")):
        inputs_from(WORKFLOW, pairs, file)


def test_a_file_that_is_no_yaml_is_refused_with_its_place(desk: Path) -> None:
    (desk / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(InvalidSpec, match=r"bad\.yaml:\d+:\d+: "):
        inputs_from(WORKFLOW, [], "bad.yaml")
