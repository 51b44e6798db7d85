"""The engine does what the language says, on random workflows, whatever runs first.

`ASSAY_LONG=1` tries 5,000 workflows instead of 150.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings

import assay
from assay.graphs.event import Event
from assay.graphs.steps.deterministic import current_call

from ..running import open_app
from .outcome import Record, Result
from .reference import LEAVES, Reference
from .workflows import Case, case, cases

LONG = bool(os.environ.get("ASSAY_LONG"))
DEADLINE = 30.0

ENDS = {"StepCompleted", "StepFailed", "StepSkipped", "StepCancelled"}


class Work:
    """The registered function `work`: fails or holds when told, and knows when it ran."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []

    async def call(self, result: object, fail: int = 0, hold: bool = False) -> object:
        path = current_call().path
        self.calls[path] += 1
        self.log.append((path, "begins"))
        if hold:
            await asyncio.Event().wait()
        for _ in range(crc32(path.encode()) % 4):  # siblings finish in an order of their own
            await asyncio.sleep(0)
        self.log.append((path, "ends"))
        if self.calls[path] <= fail:
            raise RuntimeError(f"failure {self.calls[path]} of {fail}")
        return result


@dataclass(frozen=True)
class Run:
    execution: assay.Execution
    events: list[Event]
    work: Work


async def run(case: Case, *, fuse: bool) -> Run:
    work = Work()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, document in {**case.children, "random.json": case.document}.items():
            (home / name).write_text(json.dumps(document))
        async with open_app(home, workspace=home) as app:
            app.function("work", work.call)
            started = await app.manager.start(home / "random.json", case.inputs, fuse=fuse)
            ended = await asyncio.wait_for(app.wait(started.id), DEADLINE)
            events = [event async for event in app.manager.events(started.id)]
    return Run(ended, events, work)


def differences(expected: Result, actual: Run) -> list[str]:
    """Everything in which an execution is not what the language says."""
    execution = actual.execution
    found = [
        f"{what}: {got!r} instead of {wanted!r}"
        for what, got, wanted in [
            ("status", execution.status.value, expected.status),
            ("outputs", execution.outputs, expected.outputs),
            ("error", execution.error and execution.error.path, expected.error),
        ]
        if got != wanted
    ]
    for path in {**expected.records, **execution.steps}:
        found += _of_step(path, expected.records.get(path), actual)
    return found + list(_of_order(expected.records, actual))


def _of_step(path: str, wanted: Record | None, actual: Run) -> Iterator[str]:
    got = actual.execution.steps.get(path)
    if wanted is None:
        assert got is not None
        yield f"{path}: {got.status} instead of no record"
        return
    if got is None:
        if not wanted.racy:
            yield f"{path}: no record instead of {wanted.status}"
        return
    if got.status == "cancelled" and wanted.racy:
        return
    if got.status != wanted.status:
        yield f"{path}: {got.status} instead of {wanted.status}"
    if got.output != wanted.output:
        yield f"{path}: output {got.output!r} instead of {wanted.output!r}"
    if wanted.attempts is not None and got.attempts != wanted.attempts:
        yield f"{path}: {got.attempts} attempts instead of {wanted.attempts}"
    if (wanted.error is None) != (got.error is None):
        yield f"{path}: error {got.error} instead of {wanted.error}"
    calls = actual.work.calls[path]
    if wanted.step["type"] == "python" and wanted.attempts not in (None, calls):
        yield f"{path}: called {calls} times instead of {wanted.attempts}"


def _of_order(records: Mapping[str, Record], actual: Run) -> Iterator[str]:
    ends = [(event.path, event.seq) for event in actual.events if event.type.value in ENDS]
    yield from (f"{path}: ended {n} times" for path, n in Counter(dict(ends)).items() if n == 0)
    ended = dict(ends)
    if len(ended) < len(ends):
        yield f"a step ended twice: {ends}"
    begun = {e.path: e.seq for e in actual.events if e.type.value == "StepStarted"}
    for path, record in records.items():
        for before in record.after & ended.keys():
            if path in ended and ended[path] < ended[before]:
                yield f"{path}: ended before {before}"
            if record.step["type"] in LEAVES and begun.get(path, ended[before]) < ended[before]:
                yield f"{path}: began before {before} ended"
            if (before, "ends") in actual.work.log and (path, "begins") in actual.work.log:
                last = max(
                    i for i, entry in enumerate(actual.work.log) if entry == (before, "ends")
                )
                if actual.work.log.index((path, "begins")) < last:
                    yield f"{path}: was called before {before} was done"
    undone = [ended[e.path] for e in actual.events if e.type.value == "StepCompensated"]
    if undone != sorted(undone, reverse=True):
        yield f"compensated in the order {undone} of ends"


def check(case: Case, *, fuse: bool) -> None:
    expected = Reference(case.children).run(case.document, case.inputs)
    found = differences(expected, asyncio.run(run(case, fuse=fuse)))
    assert not found, "\n".join([*found, json.dumps([case.document, case.children, case.inputs])])


@pytest.mark.parametrize("tens", range(500 if LONG else 15))
def test_the_engine_ends_as_the_reference_says(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        check(case(seed), fuse=True)


@pytest.mark.parametrize("tens", range(50 if LONG else 3))
def test_one_node_for_each_step_makes_no_difference(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        check(case(seed), fuse=False)


@pytest.mark.timeout(7200)
@settings(
    max_examples=1000 if LONG else 20,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_what_the_engine_ends_otherwise_shrinks_to_its_cause(case: Case) -> None:
    """The same, slower and less various, but a failure comes as the smallest workflow."""
    check(case, fuse=True)
