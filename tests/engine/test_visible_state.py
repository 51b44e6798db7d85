"""What later steps read after a step has failed softly, or has run again another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import assay

from ..running import open_app

pytestmark = pytest.mark.anyio


async def run(home: Path, document: dict[str, Any]) -> assay.Execution:
    async with open_app(home) as app:
        started = await app.start(document)
        return await app.wait(started.id)


async def test_what_a_loop_set_before_it_met_its_limit_stays_set(tmp_path: Path) -> None:
    loop = {
        "id": "count",
        "type": "loop",
        "until": "false",
        "max_iterations": 3,
        "on_error": "skip",
        "steps": [{"id": "add", "type": "set", "values": {"n": "{{ context.n + 1 }}"}}],
    }
    document = {
        "name": "counts",
        "context": {"mutable": {"n": 0}},
        "outputs": {"n": {"value": "{{ context.n }}"}},
        "steps": [loop],
    }

    execution = await run(tmp_path, document)

    assert execution.status == "completed"
    assert execution.steps["count"].status == "skipped"
    assert execution.outputs == {"n": 3}


async def test_a_branch_that_a_repair_leaves_out_reads_skipped(tmp_path: Path) -> None:
    branch = {
        "id": "choose",
        "type": "conditional",
        "condition": "context.rounds == 0",
        "then": [{"id": "first", "type": "skill", "skill": "echo", "inputs": {"message": "a"}}],
        "else": [{"id": "again", "type": "skill", "skill": "echo", "inputs": {"message": "b"}}],
    }
    document = {
        "name": "repairs",
        "context": {"mutable": {"rounds": 0}},
        "outputs": {
            "first": {"value": "{{ first.status }}"},
            "again": {"value": "{{ again.output }}"},
        },
        "steps": [
            {"id": "think", "type": "agent", "model": "demo", "prompt": "Think."},
            branch,
            {"id": "round", "type": "set", "values": {"rounds": "{{ context.rounds + 1 }}"}},
            {
                "id": "twice",
                "type": "assert",
                "condition": "context.rounds == 2",
                "on_false": "repair",
            },
        ],
    }

    execution = await run(tmp_path, document)

    assert execution.status == "completed", execution.error
    assert execution.steps["choose.first"].status == "completed"
    assert execution.steps["choose~2.first"].status == "skipped"
    assert execution.outputs == {"first": "skipped", "again": "b"}
