"""Where somebody wants to begin again: the path, understood, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..binding import BoundStep
from ..errors import InvalidInput
from ..history import History
from ..registry import nearest
from .lists import List
from .redo import Way, left_out
from .visits import Visit, Visits, owner, segments


def way_to(root: List, reached: Visits, history: History, path: str) -> Way:
    """The path's parts, if the execution has been there; else `InvalidInput`."""
    if owner(path) != path:
        raise InvalidInput(
            f"{path!r} lies inside the step {owner(path)!r}, which runs as a whole: begin there"
        )
    way = segments(path)
    if way is None or any(s.place and s.index is None for s in way):
        raise InvalidInput(
            f"{path!r} is not the path of a step, such as `build`, `loop[3].edit` or `fix~2`"
            f"{_near(path, reached)}"
        )
    _defined(root, way, path, reached)
    visit = _reached(reached, way, path)
    if unwanted := left_out(history, visit.path):
        raise InvalidInput(
            f"step {path!r} did not run: {unwanted.reason or 'it was skipped'}; "
            "begin at the step that decided so"
        )
    return way


def _defined(root: List, way: Way, path: str, reached: Visits) -> None:
    lists: Iterable[List] = (root,)
    for n, segment in enumerate(way):
        here = next((steps for steps in lists if segment.id in steps.steps), None)
        if here is None:
            inside = f" in {way[n - 1].id!r}" if n else ""
            raise InvalidInput(
                f"there is no step {segment.id!r}{inside}, so nothing can begin at {path!r}"
                f"{_near(path, reached)}"
            )
        lists = here.inner(segment.id)
        if segment.place and not here.steps[segment.id].step.local:
            raise InvalidInput(
                f"the step {segment.id!r} does not repeat its steps: leave {segment.place!r} "
                f"out of {path!r}"
            )
        if segment.label and not lists:
            raise InvalidInput(
                f"the attempts of the step {segment.id!r} have no paths of their own: "
                f"begin at the step"
            )
        if _repeats(here.steps[segment.id]) and not segment.place and n < len(way) - 1:
            raise InvalidInput(
                f"the step {segment.id!r} repeats its steps: {path!r} needs an iteration"
                f"{_near(path, reached)}"
            )


def _repeats(bound: BoundStep) -> bool:
    return bool(bound.step.local)


def _reached(reached: Visits, way: Way, path: str) -> Visit:
    here: Visits | None = reached
    for n, segment in enumerate(way):
        visit = None if here is None else here.by_key.get(segment.key)
        if visit is None:
            raise InvalidInput(
                f"step {path!r} was never reached, so it cannot begin again{_near(path, reached)}"
            )
        here = visit.lists.get(segment.label)
        last = n == len(way) - 1
        attempts = {v.segment.attempt for v in visit.lists.values()}
        if segment.attempt > 1 and segment.attempt not in attempts:
            raise InvalidInput(
                f"step {visit.path!r} has no attempt {segment.attempt} with steps inside: "
                f"it has {_range(attempts)}"
            )
        if segment.place and here is None:
            raise InvalidInput(
                f"step {visit.path!r} has no iteration {segment.place}: it has "
                f"{_range(v.segment.index for v in visit.lists.values())}"
            )
        if last:
            return visit
    raise AssertionError("a path has a part")


def _range(numbers: Iterable[int | None]) -> str:
    known = sorted({n for n in numbers if n is not None})
    if not known:
        return "none"
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _near(path: str, reached: Visits) -> str:
    """The paths that end as this one does; else the one that looks most like it."""
    ends = path.rpartition(".")[2]
    visits = list(_visits(reached))
    same = [visit.path for visit in visits if ends in (visit.segment.key, visit.id)]
    if not same or path in same:
        return nearest(path, (visit.path for visit in visits))
    if len(same) == 1:
        return f"; did you mean {same[0]!r}?"
    return (
        f"; it is at {same[0]!r} … {same[-1]!r}"
        if len(same) > 2
        else (f"; it is at {same[0]!r} and {same[1]!r}")
    )


def _visits(reached: Visits) -> Iterator[Visit]:
    for visit in reached.by_key.values():
        yield visit
        for inside in visit.lists.values():
            yield from _visits(inside)
