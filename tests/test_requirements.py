"""The list of requirements is whole, and what it claims has a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
NUMBERS = [f"F{n:03}" for n in range(1, 141)] + [f"N{n}" for n in range(1, 12)]
ROW = re.compile(r"^\| *([FN]\d+) *\|(.*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
PROOF = re.compile(r"`([^`]+\.\w+(?:::\w+)*)`")

Row = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Number, requirement, state and proof of each row, in the order of the page."""
    page = (HOUSE / "docs" / "requirements.md").read_text(encoding="utf-8")
    return [
        (number, text.strip(), state.strip(), proof.strip())
        for number, text, state, proof in ROW.findall(page)
    ]


def test_every_requirement_has_its_row_once_and_in_order(rows: list[Row]) -> None:
    assert [number for number, *_ in rows] == NUMBERS
    assert [number for number, text, *_ in rows if not text] == []


def test_every_requirement_says_how_far_it_is(rows: list[Row]) -> None:
    states = {"open", "in part", "works"}

    assert [(number, state) for number, _, state, _ in rows if state not in states] == []


def test_what_works_names_its_proof_and_what_is_open_names_none(rows: list[Row]) -> None:
    wrong = [
        number for number, _, state, proof in rows if (state == "open") == bool(PROOF.search(proof))
    ]

    assert wrong == []


def test_every_proof_named_is_there(rows: list[Row]) -> None:
    missing = [
        (number, proof)
        for number, _, _, cell in rows
        for proof in PROOF.findall(cell)
        if not _is_there(proof)
    ]

    assert missing == []


@pytest.mark.parametrize(
    ("proof", "there"),
    [
        ("tests/test_requirements.py", True),
        ("tests/test_requirements.py::test_every_proof_named_is_there", True),
        ("tests/test_requirements.py::test_that_nobody_wrote", False),
        ("tests/test_requirements.py::_is_there", False),
        ("tests/test_that_nobody_wrote.py", False),
        ("graphs/__init__.py", False),
    ],
)
def test_a_proof_is_a_test_file_or_a_test_in_it(proof: str, there: bool) -> None:
    assert _is_there(proof) is there


def _is_there(proof: str) -> bool:
    """Whether `path`, `path::test` or `path::Class::test` is a test in the house."""
    path, *names = proof.split("::")
    if not path.startswith("tests/") or not (HOUSE / path).is_file():
        return False
    body = ast.parse((HOUSE / path).read_text(encoding="utf-8")).body if names else []
    for name in names:
        if not name.lower().startswith("test"):
            return False
        found = [node for node in body if getattr(node, "name", None) == name]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True
