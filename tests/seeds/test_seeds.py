"""The seven documents of the product's user run exactly as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import assay

from ..servers import Site, https_site

pytestmark = pytest.mark.anyio

STATE = {
    "workflow_id", "workflow_name", "workflow_version", "execution_id", "status",
    "current_step", "steps", "inputs", "outputs", "artifacts", "created_at", "updated_at",
}  # fmt: skip
STEP_STATE = {"status", "started_at", "completed_at", "outputs", "cache_key", "cached"}


@pytest.fixture
def seeds(shared: Path) -> Path:
    return shared / "seeds"


@pytest.fixture
def api_example_com(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with https_site("api.example.com", tmp_path) as site:
        for name, value in site.environ.items():
            monkeypatch.setenv(name, value)
        yield site


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


async def run(
    document: Path, *, register: tuple[str, ...] = (), **inputs: object
) -> assay.Execution:
    async with assay.open(home=Path.cwd() / ".assay") as app:
        for name in register:
            app.skill(name, lambda name=name: f"{name} done")
        started = await app.start(document, inputs)
        execution = await app.wait(started.id)
        state = execution.to_dict()
        assert state.keys() >= STATE
        assert all(step.keys() >= STEP_STATE for step in state["steps"].values())
        assert json.loads(json.dumps(state)) == state
        return execution


async def test_simple_test_echoes_in_order(seeds: Path, here: Path) -> None:
    execution = await run(seeds / "simple-test.json")

    assert execution.status == "completed"
    assert [(p, s.output) for p, s in execution.steps.items()] == [
        ("step1", "Hello"),
        ("step2", "World"),
    ]


async def test_data_flow_test_hands_the_response_to_the_next_step(
    seeds: Path, here: Path, api_example_com: Site
) -> None:
    api_example_com.body = {"answer": 42}

    execution = await run(seeds / "data-flow-test.json")

    assert execution.status == "completed", execution.error
    assert api_example_com.asked == ["GET /"]
    assert execution.steps["fetch"].outputs["response"] == {"answer": 42}
    assert execution.steps["process"].outputs == {"parsed": {"answer": 42}, "answer": 42}


async def test_parallel_test_waits_for_both_branches(seeds: Path, here: Path) -> None:
    execution = await run(seeds / "parallel-test.json", register=("process-a", "process-b"))

    assert execution.status == "completed"
    assert execution.steps["parallel-tasks"].output == {
        "task1": "process-a done",
        "task2": "process-b done",
    }
    assert execution.steps["parallel-tasks.task1"].status == "completed"


async def test_error_handling_test_tries_three_times(
    seeds: Path, here: Path, api_example_com: Site
) -> None:
    api_example_com.failures = 2

    execution = await run(seeds / "error-handling-test.json")

    assert execution.status == "completed"
    assert execution.steps["fetch"].attempts == 3
    assert len(api_example_com.asked) == 3


async def test_error_handling_test_halts_after_the_third_failure(
    seeds: Path, here: Path, api_example_com: Site
) -> None:
    api_example_com.failures = 99

    execution = await run(seeds / "error-handling-test.json")

    assert execution.status == "failed"
    assert len(api_example_com.asked) == 3
    assert execution.error is not None
    assert "503" in execution.error.message


@pytest.mark.parametrize(
    ("data", "taken", "untaken"), [("{}", "process", "error"), (None, "error", "process")]
)
async def test_control_flow_test_takes_the_branch_that_the_file_decides(
    seeds: Path, here: Path, data: str | None, taken: str, untaken: str
) -> None:
    if data is not None:
        (here / "data.json").write_text(data)

    execution = await run(seeds / "control-flow-test.json")

    assert execution.status == "completed"
    assert execution.steps["check"].outputs["exists"] is (data is not None)
    assert execution.steps[f"conditional.{taken}"].status == "completed"
    assert execution.steps[f"conditional.{untaken}"].status == "skipped"
