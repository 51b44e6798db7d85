"""Forks of random workflows, at every path, against the reference interpreter.

The reference runs a workflow once; then it runs on from what a fork of that run kept.
`ASSAY_LONG=1` tries 2,000 workflows instead of 70.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.graphs.errors import InvalidInput
from assay.graphs.execution import Exit, Failure, Status, StepResult
from assay.graphs.expressions import default_engine
from assay.graphs.forking import Fork, fork
from assay.graphs.history import History
from assay.graphs.language import Language
from assay.graphs.load import Loader
from assay.graphs.program import Program
from assay.graphs.rules import Catalogue
from assay.graphs.steps import kinds

from ..engine.outcome import Json, Place, Record, Result
from ..engine.reference import Failed, Held, Reference, Stopped, ids
from ..engine.workflows import Case, case, cases
from .test_forking import Child, Name

LONG = bool(os.environ.get("ASSAY_LONG"))


@dataclass(frozen=True)
class Memo:
    """What a step left behind: its record, what it wrote and made visible, and how it ended."""

    record: Record
    written: Json
    visible: dict[str, Record]
    ended: Exception | None


class Resumed(Reference):
    """The reference, with some steps remembered from an earlier run and not run again."""

    def __init__(self, children: Mapping[str, Json], kept: Mapping[str, Memo]) -> None:
        super().__init__(children)
        self.kept = kept
        self.memos: dict[str, Memo] = {}
        self.left_out: set[str] = set()

    def step(self, step: Json, place: Place, run: int = 1) -> Record:
        path = place.prefix + step["id"] + (f"~{run}" if run > 1 else "")
        if path in self.kept:
            return self.remembered(self.kept[path], place)
        before, place.strand.written = place.strand.written, {}
        ended: Exception | None = None
        try:
            return super().step(step, place, run)
        except (Failed, Held, Stopped) as exception:
            ended = exception
            raise
        finally:
            written = place.strand.written
            place.strand.written = {**before, **written}
            visible = {id: place.scope[id] for id in ids(step) if id in place.scope}
            record = replace(self.records[path])
            self.memos[path] = Memo(record, written, visible, ended)

    def remembered(self, memo: Memo, place: Place) -> Record:
        place.scope.update(memo.visible)
        place.strand.write(memo.written)
        if memo.ended is not None:
            raise memo.ended
        return memo.record

    def skip(self, step: Json, place: Place) -> None:
        path = place.prefix + step["id"]
        if path not in self.kept:
            super().skip(step, place)
            self.left_out.add(path)
            self.memos[path] = Memo(self.records[path], {}, {step["id"]: self.records[path]}, None)
        else:
            place.scope[step["id"]] = self.kept[path].record


@dataclass(frozen=True)
class Ran:
    """A workflow, how its run ended, and the journal that an engine would have of it."""

    program: Program
    children: Mapping[Name, Child]
    case: Case
    result: Result
    memos: Mapping[str, Memo]
    history: History

    def fork(self, path: str | None) -> Fork:
        return fork(self.program, self.children, self.history, path)

    def resume(self, kept: History) -> tuple[Result, dict[str, str]]:
        """Run on from what was kept; the result, and the status at every path."""
        again = Resumed(self.case.children, {path: self.memos[path] for path in kept.results})
        result = again.run(self.case.document, self.case.inputs)
        known = {path: result.status.value for path, result in kept.results.items()}
        return result, {**known, **{path: r.status for path, r in result.records.items()}}


def ran(case: Case) -> Ran:
    loader = Loader(Language(kinds()), default_engine, Catalogue())
    children: dict[Name, Child] = {}
    for name in reversed(case.children):  # a child calls only those written after it
        children[name, None] = Child(loader.mapping(case.children[name]), dict(children))
    reference = Resumed(case.children, {})
    result = reference.run(case.document, case.inputs)
    history = History(
        {path: _result(path, r, reference) for path, r in result.records.items()},
        dict(_decisions(reference)),
    )
    program = loader.mapping(case.document)
    return Ran(program, children, case, result, reference.memos, history)


def _result(path: str, record: Record, reference: Resumed) -> StepResult:
    step = record.step
    exit = None
    if step["type"] == "assert" and record.output is False and record.status == "completed":
        exit = {"stop": Exit.STOP, "skip": Exit.SKIP}.get(step.get("on_false", ""))
    memo = reference.memos.get(path)
    if memo is not None and isinstance(memo.ended, Stopped):
        exit = Exit.STOP
    skipped = record.status == "skipped" and record.error is None
    return StepResult(
        path,
        step["id"],
        step["type"],
        Status(record.status),
        outputs=dict(_winner(path, record, reference)),
        error=None if record.error is None else Failure("step_failed", "failed", record.error),
        attempts=0 if skipped else record.attempts or 1,
        exit=exit,
    )


def _winner(path: str, record: Record, reference: Resumed) -> Iterator[tuple[str, str]]:
    if record.step.get("wait_for") != "any":
        return
    again = "" if record.attempts in (None, 1) else f"#{record.attempts}"
    for child in record.step["steps"]:
        branch = reference.records.get(f"{path}{again}.{child['id']}")
        if branch is not None and branch.status in ("completed", "compensated"):
            yield "winner", child["id"]
            return


def _decisions(reference: Resumed) -> Iterator[tuple[tuple[str, str], object]]:
    for path, record in reference.records.items():
        if "when" in record.step and path not in reference.left_out:
            yield (path, "when"), record.status != "skipped" or record.error is not None
        if record.status == "completed" and "rollback" in record.step:
            yield (path, "undo"), {}
        for index in _iterations(path, reference):
            yield (path, f"while[{index}]"), True
            yield (path, f"until[{index}]"), False
    yield ("", "outcome"), "over"


def _iterations(path: str, reference: Resumed) -> set[str]:
    pattern = re.compile(rf"{re.escape(path)}\[(\d+)\]")
    return {match[1] for p in reference.records if (match := pattern.match(p))}


def inside(path: str, other: str) -> bool:
    """Whether the other path is that of the step, or of something inside it."""
    return other.startswith(path) and other[len(path) : len(path) + 1] in ("", ".", "#", "[")


def check(run: Ran, path: str | None) -> None:
    try:
        planned = run.fork(path)
    except InvalidInput as error:
        refused(run, path, error)
        return
    kept, again = planned.kept.results, [step.path for step in planned.again]
    everything = {p for p in run.history.results if "/" not in p}
    assert len(again) == len(set(again))
    assert kept.keys() | set(again) >= everything
    assert not kept.keys() & set(again)
    assert kept.keys() <= everything
    if path is not None:
        assert path not in kept
    for p in kept:
        assert all(q in kept for q in everything if inside(p, q)), p
        assert all(q in kept or unawaited(run, q) for q in behind(run, p)), p
    for p, _ in planned.kept.decisions:
        assert p in kept or any(p == "" or p == b or inside(p, b) for b in planned.begins), p
    assert not any(name in ("undo", "outcome") for _, name in planned.kept.decisions)
    for step in planned.again:
        p = step.path
        if p in everything:
            causes = {p, *behind(run, p)}
            assert any(inside(b, p) or inside(c, b) for b in planned.begins for c in causes), p
    result, statuses = run.resume(planned.kept)
    assert (result.status, result.outputs, result.error) == (
        run.result.status,
        run.result.outputs,
        run.result.error,
    )
    for p, record in run.result.records.items():
        if not record.racy and "/" not in p:
            wanted = "completed" if p in kept and record.status == "compensated" else record.status
            assert statuses.get(p) == wanted, p


def behind(run: Ran, path: str) -> set[str]:
    """What had to end before the step began."""
    found: set[str] = set()
    todo = [path]
    while todo:
        before = run.result.records[todo.pop()].after - found
        found |= before
        todo += before
    return found


def unawaited(run: Ran, path: str) -> bool:
    """Whether nobody waits for the step, or for something inside it."""
    records = run.result.records.items()
    return any(inside(path, p) for p, r in records if r.step.get("wait_for") == "none")


def refused(run: Ran, path: str | None, error: InvalidInput) -> None:
    """Only for what did not run, or when nothing is left to do."""
    if path is None:
        assert run.result.status == "completed", error
    else:
        assert run.result.records[path].status == "skipped", error


@pytest.mark.parametrize("tens", range(100 if LONG else 6))
def test_a_fork_anywhere_ends_as_the_whole_run_did(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        run = ran(case(seed))
        for path in [None, *run.history.results]:
            if path is None or "/" not in path:
                try:
                    check(run, path)
                except Exception as error:
                    raise AssertionError(f"seed {seed}, {path}: {error!r}") from error


@pytest.mark.timeout(7200)
@settings(
    max_examples=1000 if LONG else 10,
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
@given(cases(), st.data())
def test_what_goes_wrong_shrinks_to_its_cause(case: Case, data: st.DataObject) -> None:
    """The same, slower and less various, but a failure comes as the smallest workflow."""
    run = ran(case)
    paths = [path for path in run.history.results if "/" not in path]
    check(run, data.draw(st.sampled_from([None, *paths])))
