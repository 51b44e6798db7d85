"""Whose turn it is: overlap, debounce and throttle, decided from what a lane remembers.

Pure: what is decided here is done, durably and in that order, by `dispatch`. Deciding again
what was decided before a crash comes to the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..graphs.firing import Firing, FiringStatus
from ..graphs.trigger import TriggerSpec

LONGEST = 1_000
"""Firings that may wait in one lane, and that one firing names of those it stands for."""

HEAD = 2.0
"""Seconds after which the first in a lane is looked at again, if nothing rings before."""

BEHIND = 30.0
"""The same for those behind it."""

LATE = 60.0
"""Seconds for which an older firing is a part of a burst that has begun: whoever claimed it may
have been killed."""


@dataclass(frozen=True, slots=True)
class Active:
    """An execution that a firing of the lane began; `at` is when that came."""

    execution: str
    firing: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What a lane remembers. Times are seconds since 1970, places in the queue `[at, id]`.

    `last` is the newest firing of a debounce, which begins at `quiet`; `starts` are the
    firings that a throttle counts, `[time, id]`.
    """

    active: tuple[Active, ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    last: tuple[str, str] | None = None
    quiet: float = 0.0
    starts: tuple[tuple[float, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "active": [[a.execution, a.firing, a.at] for a in self.active],
            "waiting": [list(w) for w in self.waiting],
            "last": None if self.last is None else list(self.last),
            "quiet": self.quiet,
            "starts": [list(s) for s in self.starts],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> State:
        if not data:
            return cls()
        return cls(
            tuple(Active(*each) for each in data["active"]),
            tuple((at, id) for at, id in data["waiting"]),
            None if data["last"] is None else (data["last"][0], data["last"][1]),
            data["quiet"],
            tuple((at, id) for at, id in data["starts"]),
        )

    def without(self, firing: str) -> State:
        """As if the firing had never been."""
        return replace(
            self,
            active=tuple(a for a in self.active if a.firing != firing),
            waiting=tuple(w for w in self.waiting if w[1] != firing),
        )


@dataclass(frozen=True, slots=True)
class Go:
    """Begin the execution."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at that time, or when one of the executions has ended."""

    due: float
    behind: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    reason: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Another firing stands for this one; `carry`: it takes what came over."""

    into: str
    carry: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop those executions, then decide again."""

    executions: Sequence[str]


Verdict = Go | Wait | Drop | Merge | Stop


def needs_lane(spec: TriggerSpec) -> bool:
    """Whether firings of the trigger have anything to do with each other."""
    return spec.overlap != "parallel" or spec.debounce is not None or spec.throttle is not None


def decide(
    state: State, firing: Firing, spec: TriggerSpec, now: float, ended: Collection[str]
) -> tuple[State, Verdict]:
    """What becomes of a firing, and what the lane remembers from then on.

    `ended` are the executions of `state.active` that have, or that will never be.
    """
    if any(active.execution == firing.execution_id for active in state.active):
        return state, Go()  # a crash came between this decision and the beginning
    # A firing that is replayed is not behind what it could not begin.
    still = (a for a in state.active if a.execution not in ended and a.firing != firing.id)
    state = replace(state, active=tuple(still))
    if spec.debounce is not None:
        state, verdict = _debounced(state, firing, spec.debounce, now)
        if verdict is not None:
            return state, verdict
    if spec.throttle is not None and not any(id == firing.id for _, id in state.starts):
        limit, per = spec.throttle.limit, spec.throttle.per
        # A clock that was put back does not stretch the time.
        counted = tuple((min(at, now), id) for at, id in state.starts if at > now - per)
        if len(counted) >= limit:
            left = counted[0][0] + per - now
            why = f"throttled: {limit} began within {per:g} s; the next may in {left:.1f} s"
            return replace(state, starts=counted).without(firing.id), Drop(why)
        state = replace(state, starts=(*counted, (now, firing.id)))
    return _overlapped(state, firing, spec, now)


def _debounced(
    state: State, firing: Firing, seconds: float, now: float
) -> tuple[State, Wait | Merge | None]:
    mine = (firing.at, firing.id)
    # Quiet may be no farther away than that: else the clock was put back, and told the time of
    # `last`, which need not be later. What comes long after it is replayed.
    same = now - LATE <= state.quiet <= now + seconds
    if state.last is not None and mine < state.last and same:
        return state, Merge(state.last[1], carry=False)
    if state.last != mine:
        quiet = now + seconds
        return replace(state, last=mine, quiet=quiet), Wait(quiet)
    state = replace(state, quiet=min(state.quiet, now + seconds))  # the clock was put back
    return state, Wait(state.quiet) if now < state.quiet else None


def _overlapped(
    state: State, firing: Firing, spec: TriggerSpec, now: float
) -> tuple[State, Verdict]:
    mine = (firing.at, firing.id)
    in_turn = spec.overlap in ("queue", "merge")
    first = not in_turn or not state.waiting or state.waiting[0] == mine
    if spec.overlap == "parallel" or (not state.active and first):
        begun = state.without(firing.id)
        if spec.overlap != "parallel":
            active = Active(firing.execution_id, firing.id, firing.at)
            begun = replace(begun, active=(*begun.active, active))
        return begun, Go()
    busy = [active.execution for active in state.active]
    match spec.overlap:
        case "reject":
            return state, Drop(f"execution {busy[0]} has not ended, and `overlap` is `reject`")
        case "replace":
            again = firing.attempts > 1 or firing.status is FiringStatus.WAITING
            if again and any((active.at, active.firing) > mine for active in state.active):
                return state, Drop(
                    f"execution {busy[0]}, which has not ended, is of a later firing"
                )
            return state, Stop(busy)
        case "merge" if state.waiting and mine not in state.waiting:
            return state, Merge(state.waiting[0][1], carry=True)
    if mine not in state.waiting:
        if len(state.waiting) >= LONGEST:
            return state, Drop(f"{LONGEST:,} firings wait for their turn already")
        state = replace(state, waiting=tuple(sorted((*state.waiting, mine))))
    if state.waiting[0] == mine:
        return state, Wait(now + HEAD, busy)
    return state, Wait(now + BEHIND)
