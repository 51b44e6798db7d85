"""The examples run as their comments say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import assay

from ..running import House
from .asking import answered

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "graphs" / "examples"


async def run(house: House, name: str, **inputs: Any) -> assay.Execution:
    execution = await house.run(EXAMPLES / f"{name}.yaml", inputs)
    assert execution.status == "completed", execution.error
    return execution


async def test_hello_greets(house: House) -> None:
    execution = await run(house, "01-hello", who="'; rm -rf . #")

    assert execution.outputs == {"greeting": "Hello, '; rm -rf . #!"}


async def test_parallel_waits_for_all_or_for_the_first(house: House) -> None:
    execution = await run(house, "02-parallel")

    assert execution.outputs == {
        "answers": {"kernel": "Linux", "folder": "workspace"},
        "fastest": "quick",
    }
    assert execution.steps["race.slow"].status == "cancelled"


@pytest.mark.parametrize(
    ("file", "exists", "kind"),
    [("a.md", True, "prose"), ("b.py", False, "code"), ("c.x", True, "other")],
)
async def test_branches_are_chosen_by_the_file(
    house: House, file: str, exists: bool, kind: str
) -> None:
    if exists:
        (house.workspace / file).touch()

    execution = await run(house, "03-branches", file=file)

    assert execution.outputs["found"] is exists
    assert kind in (execution.outputs["kind"], "other")


async def test_repeat_sums_and_squares(house: House) -> None:
    assert (await run(house, "04-repeat")).outputs == {"sum": 10, "squares": [1, 4, 9]}


async def test_trouble_is_tried_again_or_gone_on_without(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await run(house, "05-trouble")

    assert execution.outputs == {"attempts": 2, "note": "skipped: this was not important"}


async def test_rollback_undoes_the_latest_first_and_fails(house: House) -> None:
    execution = await house.run(EXAMPLES / "06-rollback.yaml")

    assert execution.status == "failed"
    said = [s.output["message"] for p, s in execution.steps.items() if "/rollback." in p]
    assert said == ["refunded 30 EUR", "released seat 12"]


async def test_graph_tells_the_story(house: House) -> None:
    assert (await run(house, "07-graph")).outputs == {
        "story": "once upon a time: a tester in a lab"
    }


async def test_child_greets_everyone(house: House) -> None:
    assert (await run(house, "09-child")).outputs == {
        "greetings": [{"greeting": "Hello, Ada!"}, {"greeting": "Hello, Grace!"}]
    }


async def test_cache_counts_once_and_puts_the_file_back(house: House) -> None:
    first = await run(house, "10-cache")
    (house.workspace / ".assay-words").unlink()

    second = await run(house, "10-cache")

    assert first.outputs == second.outputs
    assert (first.steps["count"].cached, second.steps["count"].cached) == (False, True)
    assert (house.workspace / ".assay-words").read_text().strip() == "3"


@pytest.mark.parametrize(
    ("said", "outputs"),
    [
        ({"value": {"risk": "low"}}, {"shipped": "shipped 2.0 at low risk", "by": "ada"}),
        ({"approved": False}, {"shipped": "not shipped", "by": "ada"}),
    ],
)
async def test_approval_ships_what_was_approved(
    house: House, said: dict[str, Any], outputs: dict[str, str]
) -> None:
    execution = await house.start(EXAMPLES / "11-approval.yaml")
    question = await answered(house, execution, "ship", by="ada", **said)

    ended = await house.app.wait(execution.id)
    assert question.message == "Ship this? Version 2.0 can wait"
    assert (ended.status, ended.outputs) == ("completed", outputs)
