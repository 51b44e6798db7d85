"""The seed documents with agents, against a scripted model behind real HTTP."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import assay

from ..scripted import Asked, Reply, ScriptedModel

pytestmark = pytest.mark.anyio

PYTEST = """#!/usr/bin/env python3
# Stands in for pytest with coverage: half the lines are covered, unless the agent added tests.
import pathlib, sys
assert sys.argv[1:] == ["--cov", "--cov-report=xml", "shop.py"], sys.argv
covered = 95 if pathlib.Path("test_generated.py").exists() else 50
pathlib.Path("coverage.xml").write_text(
    f'<coverage line-rate="{covered / 100}" lines-covered="{covered}" lines-valid="100"></coverage>'
)
"""
GH = '#!/bin/sh\nprintf "%s\\n" "$@" > gh-was-asked\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the programs that the document calls: git real, pytest and gh stubs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("pytest", PYTEST), ("gh", GH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shop.py").write_text("PRICE = 1\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{programs}:{Path('/usr/bin')}:{Path('/bin')}")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.com")
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "-m", "first")
    return folder


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def _model(monkeypatch: pytest.MonkeyPatch, server: ScriptedModel) -> None:
    monkeypatch.setenv("ASSAY_MODEL", "openai:scripted")
    monkeypatch.setenv("ASSAY_BASE_URL", server.url)


async def run(document: Path, home: Path, **inputs: object) -> assay.Execution:
    async with assay.open(home=home) as app:
        started = await app.start(document, inputs)
        return await app.wait(started.id)


async def test_agent_test_reads_with_the_one_tool_it_is_allowed(
    shared: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src").mkdir()
    (project / "src" / "main.py").write_text("print('hello')\n")
    script = [
        Reply.calling("read_file", path="src/main.py"),
        Reply.calling("write_file", path="src/main.py", content="gone"),
        Reply("It prints hello."),
    ]
    with ScriptedModel(script) as server:
        _model(monkeypatch, server)

        execution = await run(shared / "seeds" / "agent-test.json", tmp_path / "home")

    analyze = execution.steps["analyze"]
    assert (execution.status, analyze.status) == ("completed", "completed")
    assert analyze.output == "It prints hello."
    assert [sorted(asked.tools) for asked in server.requests] == [["read_file"]] * 3
    assert "print('hello')" in server.requests[1].last
    assert "./src" in str(server.requests[0].messages)
    assert (project / "src" / "main.py").read_text() == "print('hello')\n"
    assert not any("on the rung" in notice for notice in execution.notices)


def _writes_tests(asked: Asked) -> Reply:
    if asked.messages[-1]["role"] == "tool":
        return Reply("Added one test.")
    return Reply.calling(
        "write_file", path="test_generated.py", content="def test_one():\n    assert True\n"
    )


@pytest.mark.parametrize("create_pr", ["true", "false"])
async def test_increase_test_coverage_runs_to_its_pull_request(
    create_pr: str, shared: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREATE_PR", create_pr)
    with ScriptedModel(_writes_tests) as server:
        _model(monkeypatch, server)

        execution = await run(
            shared / "seeds" / "increase-test-coverage.yaml",
            tmp_path / "home",
            target_file="shop.py",
        )

    statuses = {path: step.status.value for path, step in execution.steps.items()}
    assert execution.status == "completed", execution.error
    assert statuses == {
        "baseline": "completed",
        "check_current_coverage": "completed",
        "generate_tests": "completed",
        "verify_coverage": "completed",
        "validate_target": "completed",
        "create_pr": "completed" if create_pr == "true" else "skipped",
    }
    assert "coverage" in str(server.requests[0].messages[-1]["content"])
    assert execution.steps["baseline"].outputs["coverage_xml"]["path"] == "./coverage.xml"
    assert execution.steps["generate_tests"].cache_key is not None
    assert any("on the rung" in notice for notice in execution.notices)
    asked = project / "gh-was-asked"
    if create_pr == "true":
        assert asked.read_text().splitlines()[:4] == [
            "pr", "create", "--title", "Increase test coverage: shop.py",
        ]  # fmt: skip
        assert "to 90%" in _git(project, "log", "-1", "--format=%s")
    else:
        assert not asked.exists()


async def test_increase_test_coverage_reuses_what_it_has_paid_for(
    shared: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = shared / "seeds" / "increase-test-coverage.yaml"
    with ScriptedModel(_writes_tests) as server:
        _model(monkeypatch, server)
        await run(document, tmp_path / "home", target_file="shop.py")
        calls = len(server.requests)

        again = await run(document, tmp_path / "home", target_file="shop.py")

    assert again.status == "completed"
    assert len(server.requests) == calls
    cached = {path: step.cached for path, step in again.steps.items()}
    assert (cached["baseline"], cached["generate_tests"]) == (True, True)
