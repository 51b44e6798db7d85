"""The plan of a fork: the part of a journal to start with, and everything that runs again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import InvalidInput
from ..execution import Failure, Status, StepResult
from ..group import WINNER
from ..history import History, Tried
from ..program import Program
from ..rollback import UNDO
from ..workspace.tree import inherited
from .lists import Child, Key, List
from .redo import Entered, Redo, Walk
from .target import way_to
from .visits import Visit, Visits, compensates, owner, visits


@dataclass(frozen=True, slots=True)
class Again:
    """A step that runs in the new execution.

    `was` is how it ended in the old one, None if it did not. `effects` are `pure` for steps
    that do nothing outside of the execution; `repeats`: it has others, and had begun.
    """

    path: str
    step: str
    kind: str
    effects: Literal["pure", "idempotent", "once"]
    repeats: bool
    was: Status | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """What a new execution starts with, and what it does.

    `kept` is the history it begins with, its results numbered from 1. `again` is, in the
    order in which it runs, every step whose result is dropped and, as far as one can know,
    every step that runs for the first time or goes on. `begins` are the paths where
    something runs again for a reason of its own: it was chosen, it failed, was cancelled or
    was undone.
    """

    kept: History
    again: tuple[Again, ...]
    begins: tuple[str, ...] = ()

    @property
    def kept_count(self) -> int:
        return len(self.kept.results)


def fork(
    program: Program, children: Mapping[Key, Child], history: History, path: str | None
) -> Fork:
    """Plan to begin again at `path`, or wherever something failed or was cancelled (None).

    The path is that of a step (`build`, `outer.inner`, `fix~2`), of an iteration
    (`loop[3]`) or of an attempt (`outer#2`). What failed, was cancelled or was compensated
    elsewhere begins again as well: none of it is a ground to stand on. Raises `InvalidInput`.
    """
    root, reached = List.root(program, children), visits(history)
    walk = Walk(history)
    redo = walk.block(root, reached, None if path is None else way_to(root, reached, history, path))
    redo.entered[""] = Entered()
    again = tuple(_Agenda(history, walk, redo).of_list(root, reached, goes_on=True))
    if not again:
        raise InvalidInput(
            "no step of this execution failed or was cancelled: "
            "name the step or the iteration to begin at"
        )
    return Fork(_kept(history, redo), again, tuple(redo.begins))


def _kept(history: History, redo: Redo) -> History:
    results: dict[str, StepResult] = {}
    for path, result in history.results.items():
        if _stays(path, redo) and path not in redo.entered:
            results[path] = _inherited(result).with_seq(len(results) + 1)
    tried = {
        path: tried
        for path, tried in history.tried.items()
        if _stays(path, redo) and path not in redo.entered
    }
    for path, entered in redo.entered.items():
        if entered.attempt > 1:
            tried[path] = _tried(history, path, entered.attempt - 1)
    files = inherited(history, results.keys() | tried.keys())
    return History(
        {path: replace(r, files=files.get(path, {})) for path, r in results.items()},
        {
            (path, name): value
            for (path, name), value in history.decisions.items()
            if _stays(path, redo) and _led_here(path, name, redo.entered)
        },
        {path: replace(one, files=files.get(path, {})) for path, one in tried.items()},
        frozenset(p for p in history.intents if _stays(p, redo) and p not in redo.entered),
        seq=len(results),
    )


def _inherited(result: StepResult) -> StepResult:
    """What was undone and is kept all the same lost a race, or its step was tried again:
    nothing stands on it, and it reads as it did before the rollback."""
    if result.status is Status.COMPENSATED:
        return replace(result, status=Status.COMPLETED)
    return result


def _stays(path: str, redo: Redo) -> bool:
    """Whether the step that it belongs to, or the list, does not run again from its start."""
    return owner(path) not in redo.gone and not compensates(path)


_OUTCOMES = frozenset({WINNER, "outcome"})
_ITERATION = re.compile(r"(\w+)\[(\d+)\]")


def _led_here(path: str, name: str, entered: Mapping[str, Entered]) -> bool:
    """Whether a decision was made before the part that runs again, and not because of it."""
    if name == UNDO:
        # What is inherited is never compensated.
        return False
    if path not in entered:
        return True
    match, index = _ITERATION.fullmatch(name), entered[path].index
    if match is None or index is None:
        return name not in _OUTCOMES
    # `while` let the iteration begin, `until` saw its end.
    return int(match[2]) < index + (match[1] == "while")


def _tried(history: History, path: str, attempts: int) -> Tried:
    """The step goes on in a later attempt: so many have failed, the last one with this."""
    known = history.tried.get(path)
    if known is not None and known.attempts == attempts:
        return replace(known, next_at=0.0)
    error = Failure("step_failed", f"attempt {attempts} failed", path)
    for inner, result in history.results.items():
        if result.error is not None and inner.startswith(f"{path}{_attempt(attempts)}"):
            error = result.error
    return Tried(attempts, 0.0, error)


def _attempt(number: int) -> str:
    return "." if number == 1 else f"#{number}."


_INWARD = frozenset({"assert", "set", "decide", "sleep", "approval", "wait_event"})
"""Kinds that do nothing outside of the execution, unless their author says `once`."""


class _Agenda:
    """Lists what runs again, in order."""

    def __init__(self, history: History, walk: Walk, redo: Redo) -> None:
        self._history = history
        self._results = history.results
        self._walk = walk
        self._redo = redo

    def of_list(self, steps: List, reached: Visits, *, goes_on: bool) -> Iterator[Again]:
        """`goes_on`: what was never reached is so now, unless something kept ends the list."""
        visits = [v for v in reached.by_key.values() if v.id in steps.steps]
        for visit in visits:
            yield from self._of_step(steps, visit)
        if goes_on and not any(self._ends(visit) for visit in visits):
            known = {visit.id for visit in visits}
            prefix = f"{reached.path}." if reached.path else ""
            for id in steps.steps:
                if id not in known:
                    yield self._again(steps, id, f"{prefix}{id}")

    def _of_step(self, steps: List, visit: Visit) -> Iterator[Again]:
        gone, entered = visit.path in self._redo.gone, self._redo.entered.get(visit.path)
        if not gone and entered is None and visit.path in self._results:
            return
        yield self._again(steps, visit.id, visit.path)
        attempt = self._walk.attempt(visit) if entered is None else entered.attempt
        for reached in visit.in_order():
            here = reached.segment
            if here.attempt < attempt and not gone:
                continue
            begins = entered is None or entered.index in (None, here.index)
            goes_on = not gone and here.attempt == attempt and begins
            for inner in steps.inner(visit.id):
                yield from self.of_list(inner, reached, goes_on=goes_on)

    def _again(self, steps: List, id: str, path: str) -> Again:
        bound = steps.steps[id]
        inward = bound.kind in _INWARD or steps.inner(id)
        effects = "pure" if inward and bound.step.effects != "once" else bound.step.effects
        result = self._results.get(path)
        repeats = effects != "pure" and self._begun(path, result)
        was = None if result is None else result.status
        return Again(path, id, bound.kind, effects, repeats, was)

    def _begun(self, path: str, result: StepResult | None) -> bool:
        """Whether it may have done something outside."""
        if result is None:
            known = self._history
            return path in known.begun or path in known.tried or path in known.intents
        return result.attempts > 0 and not (result.status is Status.SKIPPED and not result.error)

    def _ends(self, visit: Visit) -> bool:
        """Whether it is kept and ended more than itself."""
        result = self._results.get(visit.path)
        if result is None or result.exit is None:
            return False
        return visit.path not in self._redo.gone and visit.path not in self._redo.entered
