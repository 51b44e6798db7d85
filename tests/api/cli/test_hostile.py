"""Whatever is given to a command, it answers with a sentence and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Tell

ASKS = """\
name: asks
steps:
  - {id: ask, type: approval, message: "Go on?"}
"""
GATE = """\
name: gate
steps:
  - {id: gate, type: wait_event, event: deployed}
"""
FORM = """\
name: form
steps:
  - {id: ask, type: approval, message: "How many?", schema: {type: integer}, approvers: [ann]}
"""
WEIRD = (
    "",
    " ",
    "nope",
    "q",
    "0",
    "-",
    "../..",
    "a" * 5000,
    "é\x00ñ",
    "\x1b[2J",
    "%s{}'\";--",
    "٣",
)


@pytest.fixture(autouse=True)
def files(desk: Path) -> None:
    for text in (ASKS, GATE, FORM):
        (desk / f"{text.split()[1]}.yaml").write_text(text)
    (desk / "binary").write_bytes(bytes(range(256)))
    (desk / "list.json").write_text("[1]")
    (desk / "other.json").write_text('{"assay": "execution", "format": 1}')


def refused(tell: Tell, *arguments: str, says: str = "") -> None:
    """It ends with 2 and says why, in sentences that can steer no terminal."""
    told = tell(*arguments)
    assert told.code == 2, (arguments, told)
    assert told.out == ""
    assert "Traceback" not in told.err
    assert "(unexpected;" not in told.err
    assert "\x1b" not in told.err
    assert says in told.err
    assert told.err.strip()


@pytest.mark.parametrize("id", WEIRD)
@pytest.mark.parametrize(
    "command",
    [
        ("resume",),
        ("answer", "--approve"),
        ("stop",),
        ("pause",),
        ("retry",),
        ("fork", "--from", "ask"),
        ("delete",),
        ("export",),
        ("status",),
        ("logs",),
        ("questions", "--execution"),
    ],
    ids=lambda command: command[0],
)
def test_an_id_that_is_none(tell: Tell, command: tuple[str, ...], id: str) -> None:
    if command[-1].startswith("--ex"):
        refused(tell, *command, id)
    else:
        refused(tell, *command, "--", id)


@pytest.mark.parametrize("command", [("pause",), ("stop",), ("resume",)])
def test_what_has_ended_can_not_be_steered(tell: Tell, command: tuple[str, ...]) -> None:
    tell("run", "asks.yaml", "-q")
    tell("stop", "latest")
    refused(tell, *command, "latest", says="is cancelled")


@pytest.mark.parametrize("command", [("retry",), ("delete",)])
def test_what_has_not_ended_stays(tell: Tell, command: tuple[str, ...]) -> None:
    tell("run", "asks.yaml", "-q")
    refused(tell, *command, "latest", says="stop it ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--approve or --reject"),
        (("--value", "{"), "--value is not JSON"),
        (("--value", "1", "--approve"), "wants no value"),
        (("-v", "x"), "write -v name=value"),
        (("-v", "=x"), "write -v name=value"),
        (("-v", "x=1", "--value", "1"), "give the value once"),
        (("--approve", "--as"), "requires an argument"),
    ],
)
def test_an_answer_that_is_none(tell: Tell, arguments: tuple[str, ...], says: str) -> None:
    tell("run", "asks.yaml", "-q")
    refused(tell, "answer", *arguments, says=says)
    assert tell("answer", "--approve").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--value", "1"), "may not answer"),
        (("--value", '"one"', "--as", "ann"), "does not fit"),
        (("-v", "n=1", "--as", "ann"), "does not fit"),
        (("--approve", "--as", "ann"), "does not fit"),
    ],
)
def test_an_answer_that_does_not_fit(tell: Tell, arguments: tuple[str, ...], says: str) -> None:
    tell("run", "form.yaml", "-q")
    refused(tell, "answer", *arguments, says=says)
    assert tell("answer", "--value", "1", "--as", "ann").code == 0


def test_a_question_that_has_another_answer(tell: Tell) -> None:
    tell("run", "asks.yaml", "-q")
    (line,) = tell("questions").out.splitlines()
    assert tell("answer", line.split()[0], "--approve").code == 0
    refused(tell, "answer", line.split()[0], "--reject", says="already")


def test_an_event_is_no_answer(tell: Tell) -> None:
    tell("run", "gate.yaml", "-q")
    refused(tell, "answer", "--value", "1", says="send that event")
    refused(tell, "send", "deployed", "--payload", "{", says="--payload is not JSON")
    assert tell("send", "deployed").code == 0


@pytest.mark.parametrize("file", ["absent", "binary", "asks.yaml", "list.json", "other.json", "."])
def test_a_file_that_is_no_export(tell: Tell, file: str) -> None:
    refused(tell, "import", file)


@pytest.mark.parametrize("file", ["absent.yaml", "binary", "list.json", "."])
def test_a_file_that_is_no_definition(tell: Tell, file: str) -> None:
    refused(tell, "register", file)


@pytest.mark.parametrize("file", ["absent/copy.db", "asks.yaml", "."])
def test_a_place_where_no_copy_can_be(tell: Tell, file: str) -> None:
    refused(tell, "backup", file)
    if file != "asks.yaml":
        refused(tell, "export", "-o", file)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fork", "latest"),
        ("answer", "--approve", "one", "two"),
        ("send",),
        ("worker", "now"),
        ("slots", "--bogus"),
        ("import",),
        ("backup",),
        ("register",),
    ],
)
def test_usage_that_makes_no_sense(tell: Tell, arguments: tuple[str, ...]) -> None:
    refused(tell, *arguments, says="Usage: assay")


def test_names_that_make_no_sense_are_only_not_known(tell: Tell) -> None:
    for name in WEIRD[2:]:
        assert tell("slots", "--", name).code == 0
        assert tell("send", "--", name).code in (0, 2)
