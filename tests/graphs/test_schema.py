"""The published JSON Schema accepts what the loader accepts, and refuses what it can."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from assay.api.app import loader
from assay.graphs.language import Language
from assay.graphs.steps import kinds

from ..running import mapping, problems

EXAMPLES = sorted((Path(__file__).parents[2] / "graphs" / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(Language(kinds()).schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_published_schema_accepts_every_example(
    schema: jsonschema_rs.Validator, path: Path
) -> None:
    schema.validate(mapping(path.read_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_without_a_warning(path: Path) -> None:
    assert [str(w) for w in loader().file(path).warnings] == []


WRONG = {
    "no steps": "name: w",
    "an unknown field": "name: w\nnothing: 1\nsteps: [{id: a, type: shell, command: ls}]",
    "a name that is no slug": "name: Bad Name\nsteps: [{id: a, type: shell, command: ls}]",
    "a number as version": "name: w\nversion: 1.0\nsteps: [{id: a, type: shell, command: ls}]",
    "an empty list": "name: w\nsteps: []",
    "an unknown kind": "- {id: a, type: shel, command: ls}",
    "another kind's field": "- {id: a, type: shell, command: ls, url: x}",
    "no command": "- {id: a, type: shell}",
    "an id with a blank": "- {id: a b, type: shell, command: ls}",
    "a strategy that is none": "- {id: a, type: shell, command: ls, on_error: explode}",
    "a duration in words": "- {id: a, type: shell, command: ls, timeout: soon}",
    "a wrong step inside": "- {id: a, type: parallel, steps: [{id: b, type: shell}]}",
    "a loop without a bound": (
        '- {id: a, type: loop, until: "true", steps: [{id: b, type: shell, command: ls}]}'
    ),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=list(WRONG))
def test_the_published_schema_and_the_loader_both_refuse(
    schema: jsonschema_rs.Validator, text: str
) -> None:
    assert not schema.is_valid(mapping(text))
    assert problems(text)
