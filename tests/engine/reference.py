"""The language of docs/language.md in one plain interpreter, written from that page alone.

It is sequential: what the language lets happen at once happens here in order of the file.
What an order would decide is marked `racy`; what has to come first is kept in `after`.
"""

from __future__ import annotations

import json
import re
from collections import ChainMap, Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from .expressions import Wrong, evaluate, render
from .outcome import Json, Place, Record, Result, Strand, Unsaid

LEAVES = ("python", "skill", "set", "assert", "agent")
T = TypeVar("T")


@dataclass(eq=False)
class Failed(Exception):
    """A failure on its way up from the step at `path`, which is empty until it leaves it.

    `again` is an assertion that sends its list round again; `terminal` what a retry of the
    step itself would not mend.
    """

    path: str = ""
    attempts: int | None = None
    rollback: bool = False
    again: bool = False
    terminal: bool = False


class Stopped(Exception):
    """`on_false: stop` on its way to the innermost workflow."""


class Held(Exception):
    """A step that never ends by itself; somebody has to cancel it."""


@dataclass
class Branch:
    """One of several things that may happen at once: the paths it recorded, and its end."""

    strand: Strand
    paths: list[str] = field(default_factory=list)
    value: Any = None
    ended: Exception | None = None


class Reference:
    """Interprets one execution; `children` are the documents that `workflow` steps name."""

    def __init__(self, children: Mapping[str, Json]) -> None:
        self.children = children
        self.records: dict[str, Record] = {}

    def run(self, document: Json, inputs: Json) -> Result:
        try:
            outputs = self.workflow(document, inputs, "", Strand({}))
        except Failed as failure:
            if failure.rollback:
                self.compensate()
            return Result("failed", {}, failure.path, self.records, failure.rollback)
        return Result("completed", outputs, None, self.records)

    def workflow(self, document: Json, inputs: Json, prefix: str, strand: Strand) -> Json:
        strand.context = dict(document.get("context", {}).get("mutable", {}))
        place = Place(document, inputs, strand, {}, prefix)
        with suppress(Stopped):
            self.block(document["steps"], place)
        outputs = document.get("outputs", {})
        return {name: render(output["value"], place.name) for name, output in outputs.items()}

    def block(self, steps: Sequence[Json], place: Place) -> Any:
        """Run a list; its last output is that of its last completed step."""
        in_order = self.graph if any("needs" in s for s in steps) else self.sequence
        in_order(steps, place)
        records = [place.scope[s["id"]] for s in steps if s["id"] in place.scope]
        return next((r.output for r in reversed(records) if r.status == "completed"), None)

    def sequence(self, steps: Sequence[Json], place: Place) -> None:
        """In order of the file; what is `async` is joined where it is mentioned, or at the end.

        Of several failures the list fails with the one whose step stands first in the file.
        """
        ids = [step["id"] for step in steps]
        runs: Counter[str] = Counter()
        aside: dict[str, Branch] = {}
        failed: dict[str, Failed] = {}
        at = 0
        while at < len(steps) and not failed:
            step = steps[at]
            for id in [id for id in aside if mentions(step, steps[ids.index(id)])]:
                failed.update(self.join(place, id, aside.pop(id)))
            if failed:
                break
            if step.get("async"):
                (aside[step["id"]],) = self.fork(place, [step], self.step)
                at += 1
                continue
            runs[step["id"]] += 1
            try:
                record = self.step(step, place, runs[step["id"]])
            except Failed as failure:
                failed[step["id"]] = failure
                break
            at = ids.index(step["repair"]["step"]) if record.again else at + 1
            if step.get("on_false") == "skip" and record.output is False:
                for rest in steps[at:]:
                    self.skip(rest, place)
                break
        for id, branch in aside.items():
            failed.update(self.join(place, id, branch))
        if failed:
            raise first([failed[id] for id in ids if id in failed])

    def join(self, place: Place, id: str, branch: Branch) -> dict[str, Failed]:
        place.strand.join(branch.strand)
        return {id: branch.ended} if isinstance(branch.ended, Failed) else {}

    def graph(self, steps: Sequence[Json], place: Place) -> None:
        edges = {s["id"]: {o["id"] for o in steps if o is not s and mentions(s, o)} for s in steps}
        done: dict[str, Branch | None] = {}
        while pending := [s for s in steps if s["id"] not in done]:
            step = next(s for s in pending if edges[s["id"]] <= done.keys())
            before = [done[id] for id in edges[step["id"]]]
            if any(branch is None or branch.ended for branch in before):
                done[step["id"]] = None
                continue
            strand = place.strand.fork()
            strand.join(*(branch.strand for branch in before if branch))
            here = replace(place, strand=strand)
            (done[step["id"]],) = self.fork(here, [step], self.step)
        branches = [b for b in (done[step["id"]] for step in steps) if b]
        place.strand.join(*(b.strand for b in branches))
        self.settle(branches)

    def step(self, step: Json, place: Place, run: int = 1) -> Record:
        """Run one step to its record; a failure that nothing softens is raised."""
        path = place.prefix + step["id"] + (f"~{run}" if run > 1 else "")
        attempts, strategy = policy(step, place.document)
        try:
            if "when" in step and not evaluate(step["when"], place.name):
                return self.note(step, place, path, "skipped")
            inner = replace(place, prefix=f"{path}.")
            work = getattr(self, f"_{step['type']}")
            if step["type"] in LEAVES:
                output, tried = work(step, inner, attempts, run)
            else:
                output, tried = self.control(work, step, inner, attempts)
        except Stopped:
            self.note(step, place, path, "completed", Unsaid())
            raise
        except Held:
            self.note(step, place, path, "cancelled").racy = True
            raise
        except (Failed, Wrong) as error:
            failure = error if isinstance(error, Failed) else Failed()
            tried = None if failure.path else failure.attempts
            failure.path = failure.path or path
            status = "skipped" if strategy == "skip" and not failure.again else "failed"
            record = self.note(step, place, path, status, None, tried, failure.path)
            record.again, failure.again = failure.again, False
            failure.rollback |= strategy == "rollback"
            if status == "skipped" or record.again:
                return record
            raise failure from None
        record = self.note(step, place, path, "completed", output, tried)
        if step.get("on_false") == "stop" and output is False:
            raise Stopped
        return record

    def control(
        self, work: Callable[[Json, Place], Any], step: Json, at: Place, attempts: int
    ) -> tuple[Any, int]:
        """Each attempt starts afresh, at a path of its own, with the context of the first."""
        for tried in range(1, attempts + 1):
            strand = at.strand.fork()
            again = f"#{tried}" if tried > 1 else ""
            try:
                return work(step, replace(at, strand=strand, prefix=f"{at.path}{again}.")), tried
            except Failed as failure:
                if tried == attempts or (failure.terminal and not failure.path):
                    raise
                strand.written.clear()
            finally:
                at.strand.join(strand)
        raise AssertionError("no attempt")

    def skip(self, step: Json, place: Place) -> None:
        self.note(step, place, place.prefix + step["id"], "skipped")

    def note(
        self,
        step: Json,
        place: Place,
        path: str,
        status: str,
        output: Any = None,
        attempts: int | None = None,
        error: str | None = None,
    ) -> Record:
        assert path not in self.records, f"{path} ended twice"
        record = Record(step, place, status, output, place.strand.past, error, attempts)
        self.records[path] = place.scope[step["id"]] = record
        place.strand.past = frozenset({path})
        return record

    def compensate(self) -> None:
        for path, record in reversed(list(self.records.items())):
            if record.status != "completed" or "rollback" not in record.step:
                continue
            local = {"output": record.output}
            place = replace(record.place, local=local, prefix=f"{path}/rollback.")
            (branch,) = self.fork(place, [record.step["rollback"]], self.block)
            for inner in branch.paths:
                self.records[inner].racy = record.racy
            if branch.ended is None:
                record.status = "compensated"

    def fork(
        self, place: Place, things: Sequence[T], run: Callable[[T, Place], Any]
    ) -> list[Branch]:
        """Run each on a copy of the context; nothing is joined yet."""
        branches = []
        for thing in things:
            before, branch = len(self.records), Branch(place.strand.fork())
            try:
                branch.value = run(thing, replace(place, strand=branch.strand))
            except (Failed, Held, Stopped) as ended:
                branch.ended = ended
            branch.paths = list(self.records)[before:]
            branches.append(branch)
        return branches

    def settle(self, branches: Sequence[Branch]) -> None:
        """A stop cancels the siblings; otherwise the first failure, or one that never ends."""
        if stop := next((b for b in branches if isinstance(b.ended, Stopped)), None):
            self.spoil(b for b in branches if b is not stop)
            raise Stopped
        if any(isinstance(branch.ended, Held) for branch in branches):
            raise Held
        if failures := [b.ended for b in branches if isinstance(b.ended, Failed)]:
            raise first(failures)

    def spoil(self, losers: Iterator[Branch]) -> None:
        for path in [path for branch in losers for path in branch.paths]:
            self.records[path].racy = True

    def _python(self, step: Json, at: Place, attempts: int, run: int) -> tuple[Any, int]:
        given = render(step["inputs"], at.name)
        if given.get("hold"):
            raise Held
        if given.get("fail", 0) >= attempts:
            raise Failed(attempts=attempts)
        return given["result"], given.get("fail", 0) + 1

    def _skill(self, step: Json, at: Place, attempts: int, run: int) -> tuple[Any, int]:
        given = render(step.get("inputs", {}), at.name)
        if step["skill"] == "fail":
            raise Failed(attempts=1)
        return given["message"], 1

    def _agent(self, step: Json, at: Place, attempts: int, run: int) -> tuple[Any, int]:
        return Unsaid(), 1

    def _set(self, step: Json, at: Place, attempts: int, run: int) -> tuple[Any, int]:
        values = render(step["values"], at.name)
        at.strand.write(values)
        return values, 1

    def _assert(self, step: Json, at: Place, attempts: int, run: int) -> tuple[Any, int]:
        verdict = evaluate(step["condition"], at.name)
        on_false = step.get("on_false", "fail")
        if not verdict and on_false in ("fail", "repair"):
            limit = step["repair"].get("attempts", 3) if on_false == "repair" else 1
            raise Failed(attempts=1, again=run < limit)
        return verdict, 1

    def _conditional(self, step: Json, at: Place) -> Any:
        taken = "then" if evaluate(step["condition"], at.name) else "else"
        return self.take({k: step[k] for k in ("then", "else") if k in step}, taken, at)

    def _switch(self, step: Json, at: Place) -> Any:
        value = evaluate(step["value"], at.name)
        branches = {**step["cases"], **({None: step["default"]} if "default" in step else {})}
        return self.take(branches, value if value in step["cases"] else None, at)

    def take(self, branches: Mapping[Any, list[Json]], taken: Any, at: Place) -> Any:
        aside = [step for name, steps in branches.items() if name != taken for step in steps]
        skipped = self.fork(at, aside, self.skip)
        output = self.block(branches.get(taken, ()), at)
        at.strand.join(*(branch.strand for branch in skipped))
        return output

    def _loop(self, step: Json, at: Place) -> Any:
        output, here = None, at
        for n in count():
            here = replace(here, prefix=f"{at.path}[{n}].", local={**at.local, "iteration": n})
            if "while" in step and not evaluate(step["while"], here.name):
                return output
            if n == step["max_iterations"]:
                raise Failed(terminal=True)
            here = replace(here, scope=ChainMap({}, at.scope))
            output = self.block(step["steps"], here)
            if "until" in step and evaluate(step["until"], here.name):
                return output
        raise AssertionError("unreachable")

    def _foreach(self, step: Json, at: Place) -> Any:
        def body(numbered: tuple[int, Any], p: Place) -> Any:
            n, item = numbered
            local = {**at.local, "item": item, "index": n}
            scope = ChainMap({}, at.scope)
            here = replace(p, prefix=f"{at.path}[{n}].", local=local, scope=scope)
            return self.block(step["steps"], here)

        items = list(enumerate(evaluate(step["items"], at.name)))
        branches = self.fork(at, items, body)
        at.strand.join(*(branch.strand for branch in branches))
        self.settle(branches)
        return [branch.value for branch in branches]

    def _parallel(self, step: Json, at: Place) -> Any:
        branches = self.fork(at, step["steps"], self.step)
        if step.get("wait_for") == "none":
            return Unsaid()
        if step.get("wait_for") == "any":
            won = [b for b in branches if not b.ended and b.value.status == "completed"]
            if not won:
                at.strand.join(*(branch.strand for branch in branches))
                self.settle(branches)
                raise Failed()
            self.spoil(b for b in branches if b is not won[0])
            at.strand.join(won[0].strand)
            branches = [replace(b, value=None) if b is not won[0] else b for b in branches]
        else:
            at.strand.join(*(branch.strand for branch in branches))
            self.settle(branches)
        outputs = [None if b.value is None else b.value.output for b in branches]
        return {s["id"]: output for s, output in zip(step["steps"], outputs, strict=True)}

    def _workflow(self, step: Json, at: Place) -> Any:
        inputs, strand = render(step.get("inputs", {}), at.name), at.strand.fork()
        try:
            return self.workflow(self.children[step["workflow"]], inputs, at.prefix, strand)
        finally:
            at.strand.past = strand.past


def first(failures: Sequence[Failed]) -> Failed:
    """What several failures are reported as; one wish to roll back is enough."""
    failures[0].rollback = any(failure.rollback for failure in failures)
    return failures[0]


def policy(step: Json, document: Json) -> tuple[int, str]:
    """How often a step is tried, and what its failure then means."""
    leaf, handling = step["type"] in LEAVES, document.get("error_handling", {})
    default = _strategy(handling.get("default"))
    own = _strategy(step.get("on_error") or handling.get("per_step", {}).get(step["id"]))
    own = own or (default if leaf or default.get("strategy") == "rollback" else {})
    retry = step.get("retry") or (own if own.get("strategy") == "retry" else None)
    if retry is None and leaf:
        retry = document.get("defaults", {}).get("retry")
    attempts = 1 if retry is None else retry.get("attempts", retry.get("max_attempts", 3))
    return attempts, own.get("strategy", "halt")


def _strategy(on_error: Any) -> Json:
    return {"strategy": on_error} if isinstance(on_error, str) else on_error or {}


def mentions(step: Json, other: Json) -> bool:
    """Whether a step needs or reads another one of its list, or a step inside that."""
    return any(re.search(rf"\b{id}\b", json.dumps(step)) for id in ids(other))


def ids(step: Any) -> Iterator[str]:
    """The id of a step and of every step in it."""
    if isinstance(step, Mapping):
        if "type" in step:
            yield step["id"]
        for inner in step.values():
            yield from ids(inner)
    elif isinstance(step, list):
        for inner in step:
            yield from ids(inner)
