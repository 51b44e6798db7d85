"""What has to run again: the step that was chosen, what depends on it, what nobody made good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..binding import BoundStep
from ..execution import Exit, Status, StepResult
from ..history import History
from .lists import List, in_turn, waits_for
from .visits import Segment, Visit, Visits

Way = tuple[Segment, ...]
"""The rest of a path, from some list down; empty: the whole of the list."""

_BAD = (Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Entered:
    """A step, or a list inside one, of which only a part runs again.

    The step goes on in its `attempt`. One that repeats its list in turn begins again at
    iteration `index`, unless that is None.
    """

    attempt: int = 1
    index: int | None = None


@dataclass(slots=True)
class Redo:
    """What runs again of something.

    `gone` are paths of which nothing is kept; `entered` those whose own result is dropped
    while a part of what is inside stays; `begins` where something runs again for a reason of
    its own. What nobody waits for is not `awaited`: what follows it may stay.
    """

    gone: set[str] = field(default_factory=set)
    entered: dict[str, Entered] = field(default_factory=dict)
    begins: list[str] = field(default_factory=list)
    awaited: bool = False

    def __bool__(self) -> bool:
        return bool(self.gone or self.entered)

    def add(self, other: Redo) -> None:
        self.gone |= other.gone
        self.entered |= other.entered
        self.begins += other.begins
        self.awaited |= other.awaited


class Walk:
    """Goes down a definition beside the tree of what was reached.

    A failure or a cancellation is made good by running again, unless something around it
    that is kept has absorbed it: `counts` says of a place that nothing has. What was
    compensated runs again wherever something kept stands on it.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._results = history.results
        self._inside: dict[tuple[str, bool], Redo] = {}

    def block(self, steps: List, reached: Visits, way: Way | None, counts: bool = True) -> Redo:
        """What runs again in a list; `way` leads to the chosen step, if that is in here."""
        visits = [v for v in reached.by_key.values() if v.id in steps.steps]
        if steps.before:
            return self._graph(steps, visits, way, counts)
        return self._sequence(steps, visits, way, counts)

    def attempt(self, visit: Visit) -> int:
        """The attempt that a step is in, or ended with."""
        result, tried = self._results.get(visit.path), self._history.tried.get(visit.path)
        known = [1, *(inside.segment.attempt for inside in visit.lists.values())]
        known += [result.attempts] if result is not None else []
        known += [tried.attempts + 1] if tried is not None else []
        return max(known)

    def _sequence(
        self, steps: List, visits: Sequence[Visit], way: Way | None, counts: bool
    ) -> Redo:
        found = Redo()
        for n, visit in enumerate(visits, 1):
            # A step that failed and did not end its list is an assertion that was repaired.
            again = self._step(steps, visit, _towards(visit, way), counts and n == len(visits))
            found.add(again)
            if again.awaited:
                found.add(_all(visits[n:]))
                break
        return found

    def _graph(self, steps: List, visits: Sequence[Visit], way: Way | None, counts: bool) -> Redo:
        again = {v.path: self._step(steps, v, _towards(v, way), counts) for v in visits}
        causes = {v.id for v in visits if again[v.path].awaited}
        after: set[str] = set()
        while more := {i for i, needs in steps.before.items() if needs & (causes | after)} - after:
            after |= more
        found = Redo()
        for visit in visits:
            found.add(_all([visit]) if visit.id in after else again[visit.path])
        if any(self._skips(v) for v in visits if v.path in found.gone):
            found.add(_all([v for v in visits if left_out(self._history, v.path)]))
        return found

    def _step(self, steps: List, visit: Visit, way: Way | None, counts: bool) -> Redo:
        result = self._results.get(visit.path)
        status = None if result is None else result.status
        if _names(way) or status is Status.COMPENSATED:
            return _all([visit], begins=visit.path)
        if not steps.inner(visit.id):
            return _all([visit], begins=visit.path) if counts and status in _BAD else Redo()
        alone = waits_for(steps.steps[visit.id]) == "none"
        unsettled = counts and (status is None or status in _BAD)
        again = self._enter(steps, visit, way, unsettled or alone)
        if alone:
            if not again and self._adrift(steps, visit):
                again = self._resumed(visit)
            again.awaited = False
        if again or not counts:
            return again
        if status is Status.FAILED:
            return _all([visit], begins=visit.path)
        if status is Status.CANCELLED:
            return self._resumed(visit)
        return again

    def _resumed(self, visit: Visit) -> Redo:
        """It goes on, and all that has ended inside stays."""
        entered = {visit.path: Entered(self.attempt(visit))}
        return Redo(entered=entered, begins=[visit.path], awaited=True)

    def _enter(self, steps: List, visit: Visit, way: Way | None, counts: bool) -> Redo:
        """What runs again inside a step. Once it is entered, everything inside counts."""
        if way is not None:
            return self._within(steps, visit, way, True)
        again = self._remembered(steps, visit, counts)
        return self._remembered(steps, visit, True) if again else again

    def _remembered(self, steps: List, visit: Visit, counts: bool) -> Redo:
        # Without this the time would double with every level that is entered.
        key = visit.path, counts
        if key not in self._inside:
            self._inside[key] = self._within(steps, visit, None, counts)
        again = Redo()
        again.add(self._inside[key])
        return again

    def _within(self, steps: List, visit: Visit, way: Way | None, counts: bool) -> Redo:
        bound, inner = steps.steps[visit.id], steps.inner(visit.id)
        attempt = way[0].attempt if way else self.attempt(visit)
        again = Redo()
        index = None
        for reached in _attempted(visit, attempt):
            if index is not None:
                again.add(_all([reached]))
                continue
            below = way[1:] if way and way[0].place in ("", reached.segment.place) else None
            one = self._list(inner, self._racing(bound, visit, reached, counts), below, counts)
            if one.awaited and in_turn(bound):
                index = reached.segment.index
            again.add(one)
        if again:
            later = [v for v in visit.lists.values() if v.segment.attempt > attempt]
            again.add(_all(later))
            again.entered[visit.path] = Entered(attempt, index)
        return again

    def _list(self, inner: Sequence[List], reached: Visits, way: Way | None, counts: bool) -> Redo:
        """What runs again in one of the lists inside a step. Branches run each for itself."""
        if way == ():
            return _all([reached], begins=reached.path)
        again = Redo()
        for steps in inner:
            again.add(self.block(steps, reached, way, counts))
        if again and reached.segment.label:
            again.entered[reached.path] = Entered()
        return again

    def _racing(self, bound: BoundStep, visit: Visit, reached: Visits, counts: bool) -> Visits:
        """A race that is over is not run again for the sake of those who lost it."""
        result = self._results.get(visit.path)
        if waits_for(bound) != "any" or result is None or counts:
            return reached
        winner = result.outputs.get("winner")
        won = {key: v for key, v in reached.by_key.items() if v.id == winner}
        return Visits(reached.path, reached.segment, won)

    def _adrift(self, steps: List, visit: Visit) -> bool:
        """Nobody waited for its branches, and not all of them have ended."""
        inside = _attempted(visit, self.attempt(visit))
        reached = {v.id: v.path for visits in inside for v in visits.by_key.values()}
        branches = [id for inner in steps.inner(visit.id) for id in inner.steps]
        return visit.path in self._results and any(
            reached.get(id) not in self._results for id in branches
        )

    def _skips(self, visit: Visit) -> bool:
        result = self._results.get(visit.path)
        return result is not None and result.exit is Exit.SKIP


def _attempted(visit: Visit, attempt: int) -> Sequence[Visits]:
    """The lists of one attempt of a step."""
    return [reached for reached in visit.in_order() if reached.segment.attempt == attempt]


def left_out(history: History, path: str) -> StepResult | None:
    """The result of a step that others decided not to run: it is in a branch that was not
    taken, or in the rest of a list. None when it ran, or decided for itself."""
    result = history.results.get(path)
    if result is None or result.status is not Status.SKIPPED or result.error is not None:
        return None
    return None if (path, "when") in history.decisions else result


def _towards(visit: Visit, way: Way | None) -> Way | None:
    return way if way and way[0].key == visit.segment.key else None


def _names(way: Way | None) -> bool:
    """Whether it ends with a step, and not further down in it."""
    return way is not None and len(way) == 1 and not way[0].label


def _all(things: Iterable[Visit | Visits], begins: str | None = None) -> Redo:
    gone = {path for thing in things for path in thing.paths()}
    return Redo(gone, begins=[] if begins is None else [begins], awaited=bool(gone))
