"""Forks as the engine runs them: it ends as the whole run did, and repeats nothing that is kept.

`ASSAY_LONG=1` tries 300 random workflows, each from every path, instead of 12 from a few.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

import assay
from assay.graphs.errors import InvalidInput

from ..engine.outcome import Result
from ..engine.reference import Reference
from ..engine.test_engine_against_reference import DEADLINE, Work
from ..engine.workflows import Case, case
from ..running import open_house

LONG = bool(os.environ.get("ASSAY_LONG"))
PATHS = 1000 if LONG else 3


@dataclass(frozen=True)
class Forkable:
    """An execution that has ended, and what the language says of it."""

    app: assay.App
    work: Work
    execution: assay.Execution
    expected: Result

    async def fork(self, path: str | None) -> list[str]:
        """Run a fork to its end; everything in which it is not what it should be."""
        self.work.calls.clear()
        manager = self.app.manager
        try:
            plan = await manager.plan_fork(self.execution.id, path)
        except InvalidInput:
            return []
        if path is None:
            begun = await manager.retry(self.execution.id)
        else:
            begun = await manager.fork(self.execution.id, path)
        ended = await asyncio.wait_for(self.app.wait(begun.id), DEADLINE)
        expected = self.expected
        error = ended.error and ended.error.path
        found = [
            f"{what}: {got!r} instead of {wanted!r}"
            for what, got, wanted in [
                ("status", ended.status.value, expected.status),
                ("outputs", ended.outputs, expected.outputs),
                ("error", error, expected.error),
            ]
            if got != wanted
        ]
        for at, record in expected.records.items():
            got = ended.steps.get(at)
            inherited = at in plan.kept.results and record.status == "compensated"
            wanted = "completed" if inherited else record.status
            if not record.racy and "/rollback." not in at and (not got or got.status != wanted):
                found.append(f"{at}: {got and got.status} instead of {wanted}")
        repeated = self.work.calls.keys() & plan.kept.results.keys()
        return found + [f"{at}: ran again" for at in repeated]


@asynccontextmanager
async def forkable(case: Case) -> AsyncIterator[Forkable]:
    work = Work()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, document in {**case.children, "random.json": case.document}.items():
            (home / name).write_text(json.dumps(document))
        async with assay.open(home=home, workspace=home) as app:
            app.function("work", work.call)
            started = await app.manager.start(home / "random.json", case.inputs)
            ended = await asyncio.wait_for(app.wait(started.id), DEADLINE)
            expected = Reference(case.children).run(case.document, case.inputs)
            yield Forkable(app, work, ended, expected)


@pytest.mark.parametrize("seed", range(300 if LONG else 12))
@pytest.mark.anyio
async def test_a_fork_ends_as_the_whole_run_did_and_repeats_nothing_kept(seed: int) -> None:
    async with forkable(case(seed)) as run:
        paths = [path for path in run.execution.steps if "/" not in path]
        few = Random(seed).sample(paths, min(PATHS, len(paths)))
        found = {
            path: differences for path in [None, *few] if (differences := await run.fork(path))
        }

    assert found == {}


@pytest.mark.anyio
async def test_a_retry_finishes_what_failed_once_its_cause_is_mended(tmp_path: Path) -> None:
    """Two of three items fail in their second step; only those run again, and what follows."""
    ran: list[str] = []
    broken = {"b", "c"}

    async def work(name: str) -> str:
        ran.append(name)
        if name in broken:
            raise ValueError(f"{name} is broken")
        return name

    steps = """
    - id: each
      type: foreach
      items: "['a', 'b', 'c']"
      steps:
        - {id: first, type: python, function: work, inputs: {name: 'first {{ item }}'}}
        - {id: second, type: python, function: work, inputs: {name: '{{ item }}'}}
    - {id: last, type: python, function: work, inputs: {name: last}}
    """
    async with open_house(tmp_path) as house:
        house.function(work)
        failed = await house.run(steps)
        assert failed.status == "failed"
        broken.clear()
        ran.clear()

        again = await house.app.wait((await house.app.manager.retry(failed.id)).id)

    assert again.status == "completed"
    assert again.steps["each"].output == ["a", "b", "c"]
    assert sorted(ran) == ["b", "c", "last"]
    assert again.origin == {"execution_id": failed.id, "path": None, "how": "retry"}
