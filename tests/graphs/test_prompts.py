"""Prompts in files: read with the definition, part of its digest, never from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.running import problems

from assay.api.app import loader
from assay.graphs.errors import InvalidSpec
from assay.graphs.workflow import Workflow

DEFINITION = """
name: w
inputs: {who: {type: string, default: you}, prompt: {type: object, default: {file: a}}}
steps:
  - id: greet
    type: agent
    prompt: {file: prompts/greet.md}
    system: {file: prompts/system.md}
  - id: each
    type: foreach
    items: "[1]"
    steps:
      - {id: pick, type: decide, prompt: {file: prompts/greet.md}, options: [a, b]}
"""


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    folder = tmp_path / "definition"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "greet.md").write_text("Greet {{ inputs.who }} ☃.\n")
    (folder / "prompts" / "system.md").write_text("Be kind.\n")
    (folder / "w.yaml").write_text(DEFINITION)
    (tmp_path / "secret.md").write_text("hush")
    return folder / "w.yaml"


def loaded(definition: Path) -> Workflow:
    return loader().file(definition).workflow


def test_a_prompt_is_what_its_file_says(definition: Path) -> None:
    greet, each = (step for step in loaded(definition).steps)
    step: Any = greet
    assert (step.prompt, step.system) == ("Greet {{ inputs.who }} ☃.\n", "Be kind.\n")
    (pick,) = each.blocks()[("steps",)]
    assert pick.prompt == step.prompt  # type: ignore[attr-defined]
    default: Any = loaded(definition).inputs["prompt"].default
    assert default == {"file": "a"}


def test_another_text_is_another_definition(definition: Path) -> None:
    before = loaded(definition)
    (definition.parent / "prompts" / "greet.md").write_text("Go away, {{ inputs.who }}.\n")
    after = loaded(definition)
    assert before.digest != after.digest
    assert "Go away" in str(after.document)
    assert loader().mapping(before.document).workflow.digest == before.digest


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("../secret.md", "out of the folder"),
        ("/etc/passwd", "out of the folder"),
        ("link.md", "out of the folder"),
        ("missing.md", "there is no file missing.md"),
        ("prompts", "there is no file prompts"),
        ("latin.md", "utf-8"),
        ("large.md", "more than 262144 bytes"),
        ("nul\\0.md", "null"),
    ],
)
def test_a_file_that_cannot_be_had_is_a_problem_at_its_place(
    definition: Path, file: str, why: str
) -> None:
    folder = definition.parent
    (folder / "link.md").symlink_to(folder.parent / "secret.md")
    (folder / "latin.md").write_bytes("ä".encode("latin-1"))
    (folder / "large.md").write_text("x" * (256 * 1024 + 1))
    definition.write_text(DEFINITION.replace("prompts/system.md", f'"{file}"'))
    with pytest.raises(InvalidSpec) as caught:
        loaded(definition)
    (problem,) = caught.value.problems
    assert why in problem.message
    assert problem.position.line == 8
    assert "hush" not in str(caught.value)


def test_a_mistake_in_a_file_is_told_at_the_place_that_names_it(definition: Path) -> None:
    (definition.parent / "prompts" / "system.md").write_text("Be {{ inputs.kind }}.\n")
    with pytest.raises(InvalidSpec) as caught:
        loaded(definition)
    assert [p.position.line for p in caught.value.problems] == [8]


def test_nothing_is_read_for_a_definition_that_is_no_file() -> None:
    found = problems("- {id: a, type: agent, prompt: {file: /etc/passwd}}")
    assert [p.message for p in found] == [
        "'prompt' must be text, not a mapping; a file is read only where the definition is a "
        "file as well"
    ]
