"""The documentation says what is so: its code runs, its tables are the models', its links lead."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

import assay
from assay.api.app import loader

HOUSE = Path(__file__).resolve().parent.parent
PAGES = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")

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
    (tmp_path / "graphs").symlink_to(HOUSE / "graphs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(f"async def program():\n{textwrap.indent(body, '    ')}", names)

    await names["program"]()  # type: ignore[operator]

    assert capsys.readouterr().out == "Hello, Ada!\n"


def test_the_readme_names_every_command() -> None:
    readme = (HOUSE / "README.md").read_text()
    commands = ("run", "validate", "plan", "graph", "schema", "list", "status", "logs")

    assert [c for c in commands if f"assay {c}" not in readme and f"`{c} " not in readme] == []
