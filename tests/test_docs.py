"""The documentation says what is so: its code runs, its tables are the models', its links lead."""

from __future__ import annotations

import importlib.util
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
import typer

import assay
from assay.api.app import loader
from assay.api.cli.commands import app as command_line

HOUSE = Path(__file__).resolve().parent.parent
PAGES = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
COMMAND = re.compile(r"^\$ (?:\.venv/bin/)?assay (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\((?!https?://)([^)#]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

pytestmark = pytest.mark.anyio


def blocks(language: str) -> list[tuple[Path, str]]:
    return [
        (page, body)
        for page in PAGES
        for kind, body in BLOCK.findall(page.read_text())
        if kind == language
    ]


def test_every_field_of_every_kind_is_in_the_reference() -> None:
    spec = importlib.util.spec_from_file_location("reference", HOUSE / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)

    assert (HOUSE / "docs" / "fields.md").read_text() == reference.page(), (
        "run: python docs/reference.py"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_every_link_into_a_page_finds_its_heading(page: Path) -> None:
    lost = [
        (target, anchor)
        for target, anchor in ANCHOR.findall(page.read_text())
        if anchor not in anchors(page.parent / target if target else page)
    ]

    assert lost == []


def anchors(page: Path) -> set[str]:
    """The headings of a page, as a link into it names them."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_there_are_workflows_and_programs_in_the_documentation() -> None:
    assert len(blocks("yaml")) >= 2
    assert len(blocks("python")) >= 1


@pytest.mark.parametrize(("page", "body"), blocks("yaml"), ids=lambda v: getattr(v, "name", "yaml"))
async def test_every_workflow_in_the_documentation_runs(
    page: Path, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("three short words\n")
    program = loader().text(body, page.name)

    async with assay.open(home=tmp_path / "home") as app:
        execution = await app.run(program.workflow)

    assert execution.status == "completed"


@pytest.mark.parametrize(
    ("page", "body"), blocks("python"), ids=lambda v: getattr(v, "name", "python")
)
async def test_every_program_in_the_documentation_runs(
    page: Path,
    body: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each `print` in it is followed by a comment that says what is printed."""
    (tmp_path / "graphs").symlink_to(HOUSE / "graphs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(f"async def program():\n{textwrap.indent(body, '    ')}", names)

    await names["program"]()  # type: ignore[operator]

    said = PRINTED.findall(body)
    assert said
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize(
    "line", [line for _, body in blocks("console") for line in COMMAND.findall(body)]
)
def test_every_command_in_the_documentation_is_understood(line: str) -> None:
    group: Any = typer.main.get_command(command_line)
    name, *arguments = shlex.split(line, comments=True)

    group.commands[name].make_context(name, arguments)


def test_the_readme_names_every_command() -> None:
    readme = (HOUSE / "README.md").read_text()
    commands = ("run", "validate", "plan", "graph", "schema", "list", "status", "logs")

    assert [c for c in commands if f"assay {c}" not in readme and f"`{c} " not in readme] == []
