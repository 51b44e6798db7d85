"""The fixtures are for those who ask for them, in a project that is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from assay.testing import Reply, ScriptedModel

CONFTEST = """
    import pytest

    pytest_plugins = ["assay.testing.fixtures"]

    @pytest.fixture
    def anyio_backend():
        return "asyncio"
"""

TESTS = """
    import httpx
    import pytest
    from assay.testing import Reply

    WORK = {"name": "w", "steps": [{"id": "say", "type": "agent", "prompt": "Say it."}]}

    def asked(url):
        body = {"messages": [{"role": "user", "content": "x"}]}
        answer = httpx.post(f"{url}/chat/completions", json=body).json()
        return answer["choices"][0]["message"]["content"]

    def test_a_model_is_served(scripted_model):
        assert asked(scripted_model([Reply("Hello")]).url) == "Hello"

    @pytest.mark.anyio
    async def test_workbenches_are_opened(workbench_of):
        for word in ("one", "two"):
            bench = await workbench_of([Reply(word)])
            ended = await bench.run(WORK)
            assert ended.steps["say"].output == word

    def test_a_cassette_is_played(cassette):
        assert asked(cassette.url) == "taped"
"""


def test_models_workbenches_and_cassettes_are_there_for_a_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(dedent(CONFTEST))
    (tmp_path / "test_it.py").write_text(dedent(TESTS))

    with ScriptedModel([Reply("taped")]) as real:
        recording = pytest(tmp_path, "-k", "cassette", ASSAY_RECORD=real.url)

    assert "1 passed" in recording
    assert (tmp_path / "cassettes/test_it/test_a_cassette_is_played.json").is_file()
    assert "3 passed" in pytest(tmp_path)


def pytest(folder: Path, *arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
