"""`assay create` asks, checks each answer, saves what is valid, and runs it if somebody wants."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.api.cli.conftest import COMMAND, Assay
from tests.api.cli.terminal import on_terminal, plain, read_until, type_in

from assay.api.cli.definitions import Reader
from assay.api.cli.wizard import InputEndedError, Wizard

pytestmark = pytest.mark.anyio


class Person:
    """Types what is in the list, in order; hears what is said."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.said: list[str] = []

    async def ask(self, question: str) -> str | None:
        self.said.append(question)
        return self._answers.pop(0) if self._answers else None

    @property
    def left(self) -> int:
        return len(self._answers)


async def made(*answers: str) -> tuple[dict[str, Any], list[str]]:
    """The definition that comes of the answers, and everything that was said."""
    person = Person(answers)
    document = await Wizard(person.ask, person.said.append, Reader()).workflow()
    assert person.left == 0, "somebody was not heard out"
    Reader().mapping(document)
    return document, person.said


BEGIN = ("greet", "Says hello")
NO_MORE = ""
END = ("halt", "none")


async def test_a_workflow_of_every_kind_of_step() -> None:
    document, _ = await made(
        *BEGIN,
        *("who", "string", "world", "Whom to greet"),
        *("times", "integer", "", ""),
        NO_MORE,
        *("shell", "hello", "echo Hello {{ inputs.who }}"),
        *(
            "agent",
            "",
            "reviewer",
            "Improve {{ hello.output }}",
            "read_file write_file",
            "len(output) > 3",
        ),
        *("assert", "", "agent1.output != ''", "Nothing was said"),
        *("skill", "shown", "echo", "message", "{{ agent1.output }}", NO_MORE),
        *("http", "", "", "https://example.com/{{ inputs.who }}"),
        *("approval", "", "Good?"),
        NO_MORE,
        *("retry", "4"),
        *("cron", "0 9 * * MON-FRI", "2"),
    )

    assert document == {
        "name": "greet",
        "version": "1.0",
        "description": "Says hello",
        "inputs": {
            "who": {"type": "string", "default": "world", "description": "Whom to greet"},
            "times": {"type": "integer", "required": True},
        },
        "steps": [
            {"id": "hello", "type": "shell", "command": "echo Hello {{ inputs.who }}"},
            {
                "id": "agent1",
                "type": "agent",
                "agent": "reviewer",
                "prompt": "Improve {{ hello.output }}",
                "tools": ["read_file", "write_file"],
                "verify": {"checks": [{"condition": "len(output) > 3"}]},
            },
            {
                "id": "assert1",
                "type": "assert",
                "condition": "agent1.output != ''",
                "message": "Nothing was said",
            },
            {
                "id": "shown",
                "type": "skill",
                "skill": "echo",
                "inputs": {"message": "{{ agent1.output }}"},
            },
            {
                "id": "http1",
                "type": "http",
                "method": "GET",
                "url": "https://example.com/{{ inputs.who }}",
            },
            {"id": "approval1", "type": "approval", "message": "Good?"},
        ],
        "defaults": {"retry": {"attempts": 4, "backoff": "exponential"}},
        "triggers": [{"type": "cron", "schedule": "0 9 * * MON-FRI", "with": {"times": 2}}],
    }


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (("shell", "", "eval {{ inputs.nobody }}", "", "true"), "no input is called 'nobody'"),
        (("assert", "", "1 + 1", "x", "", "1 == 1", "x"), "true or false"),
        (("shel", "shell", "", "true"), "did you mean 'shell'?"),
        (("", "shell", "", "true"), "at least one step"),
        (("skill", "", "ecko", "echo", ""), "did you mean 'echo'?"),
        (("shell", "no good", "true", "", "true"), "letters, digits"),
        (("approval", "", "", "Good?"), "That is needed."),
    ],
)
async def test_what_cannot_be_is_said_and_asked_again(answers: Sequence[str], says: str) -> None:
    _, said = await made(*BEGIN, NO_MORE, *answers, NO_MORE, *END)

    assert any(says in line for line in said), said


async def test_a_trigger_that_cannot_be_is_asked_again() -> None:
    document, said = await made(
        *BEGIN, NO_MORE, "shell", "", "true", NO_MORE, "halt", "cron", "0 0 31 2 *", "@daily"
    )

    assert document["triggers"] == [{"type": "cron", "schedule": "@daily"}]
    assert any("31" in line or "never" in line for line in said)


async def test_an_input_has_a_name_that_steps_can_use() -> None:
    document, said = await made(
        *BEGIN, "no name", "who", "", "x", "", NO_MORE, "shell", "", "true", NO_MORE, *END
    )

    assert document["inputs"] == {"who": {"type": "string", "default": "x"}}
    assert "  The name of an input has letters, digits, - and _." in said


async def test_a_name_becomes_a_slug() -> None:
    document, said = await made("¡!", "My Way!", "", NO_MORE, "shell", "", "true", NO_MORE, *END)

    assert document["name"] == "my-way"
    assert "  It is called my-way." in said


async def test_who_says_no_more_has_made_nothing() -> None:
    person = Person([*BEGIN, NO_MORE, "shell"])

    with pytest.raises(InputEndedError):
        await Wizard(person.ask, person.said.append, Reader()).workflow()


def test_it_wants_a_terminal(assay: Assay) -> None:
    refused = assay("create")

    assert refused.returncode == 2
    assert "asks questions at a terminal" in refused.stderr


def test_it_is_saved_and_run(desk: Path) -> None:
    with on_terminal(*COMMAND, "create") as (process, terminal):
        seen = ""
        for question, answer in (
            ("Name? (my-workflow) ", "hello"),
            ("What is it for? ", ""),
            ("Input (Enter: no more)? ", ""),
            ("approval)? ", "shell"),
            ("Its id? (shell1) ", ""),
            ("Command? ", "echo Hello"),
            ("Enter: no more)? ", ""),
            ("(halt) ", ""),
            ("(none) ", ""),
            ("Run it now? [y/N/later] ", "y"),
        ):
            seen += read_until(terminal, question)
            type_in(terminal, f"{answer}\n")
        seen += read_until(terminal)
        assert process.wait(60) == 0, plain(seen)

    document = yaml.safe_load((desk / "hello.yaml").read_text())
    assert document["steps"] == [{"id": "shell1", "type": "shell", "command": "echo Hello"}]
    assert "saved as hello.yaml" in plain(seen)
    assert "completed" in plain(seen)


def test_a_file_that_is_there_stays_as_it_is(desk: Path) -> None:
    (desk / "mine.yaml").write_text("mine")
    with on_terminal(*COMMAND, "create", "mine.yaml") as (process, terminal):
        seen = read_until(terminal)
        assert process.wait(60) == 2

    assert "mine.yaml is there already" in plain(seen)
    assert (desk / "mine.yaml").read_text() == "mine"


def test_interrupted_it_saves_nothing(desk: Path) -> None:
    with on_terminal(*COMMAND, "create") as (process, terminal):
        read_until(terminal, "Name? (my-workflow) ")
        process.send_signal(signal.SIGINT)
        seen = read_until(terminal)
        assert process.wait(60) == 130

    assert "nothing was saved" in plain(seen)
    assert [*desk.iterdir()] == []
