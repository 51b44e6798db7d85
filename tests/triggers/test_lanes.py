"""Whose turn it is among firings of one lane, in any order that time may bring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.firing import Firing, FiringStatus
from assay.graphs.trigger import Throttle, TriggerSpec
from assay.triggers.lanes import Drop, Go, Merge, State, Stop, Verdict, Wait, decide

QUEUE = TriggerSpec(overlap="queue")


def firing(n: int) -> Firing:
    return Firing(f"f{n:03}", "w.t", "w", f"2026-01-01T00:00:{n:02}Z", f"e{n:03}")


def turn(state: State, n: int, spec: TriggerSpec, now: float = 0.0, *ended: int) -> Any:
    return decide(state, firing(n), spec, now, {f"e{each:03}" for each in ended})


def verdicts(spec: TriggerSpec, *, ended: bool) -> list[Verdict]:
    """Of two firings, the first of which has begun an execution."""
    state, first = turn(State(), 1, spec)
    _, second = turn(state, 2, spec, 0.0, *((1,) if ended else ()))
    return [first, second]


@pytest.mark.parametrize(
    ("overlap", "becomes"),
    [
        ("parallel", Go()),
        ("reject", Drop("execution e001 has not ended, and `overlap` is `reject`")),
        ("replace", Stop(["e001"])),
        ("queue", Wait(2.0, ["e001"])),
        ("merge", Wait(2.0, ["e001"])),
    ],
)
def test_a_second_firing_while_the_first_runs(overlap: Any, becomes: Verdict) -> None:
    spec = TriggerSpec(overlap=overlap)

    assert verdicts(spec, ended=False) == [Go(), becomes]
    assert verdicts(spec, ended=True) == [Go(), Go()]


def test_a_third_firing_joins_the_one_that_waits() -> None:
    spec = TriggerSpec(overlap="merge")
    state, _ = turn(State(), 1, spec)
    state, _ = turn(state, 2, spec)

    assert turn(state, 3, spec)[1] == Merge("f002", carry=True)
    assert turn(state, 2, spec)[1] == Wait(2.0, ["e001"]), "asked again, it still waits"


def test_a_decision_that_a_crash_cut_off_is_made_again() -> None:
    state, _ = turn(State(), 1, QUEUE)

    assert turn(state, 1, QUEUE) == (state, Go())


def test_a_burst_begins_once_with_the_last_when_it_is_quiet() -> None:
    spec = TriggerSpec(debounce="10s")  # type: ignore[arg-type]
    state, first = turn(State(), 1, spec, 0.0)
    state, second = turn(state, 2, spec, 5.0)

    assert (first, second) == (Wait(10.0), Wait(15.0))
    assert turn(state, 1, spec, 10.0)[1] == Merge("f002", carry=False)
    assert turn(state, 2, spec, 14.0)[1] == Wait(15.0)
    assert turn(state, 2, spec, 15.0)[1] == Go()


def test_what_came_late_does_not_take_the_place_of_what_came_last() -> None:
    spec = TriggerSpec(debounce="10s")  # type: ignore[arg-type]
    state, _ = turn(State(), 2, spec, 0.0)

    assert turn(state, 1, spec, 1.0)[1] == Merge("f002", carry=False)


def test_a_throttle_drops_what_is_too_much_and_forgets_with_time() -> None:
    spec = TriggerSpec(throttle=Throttle(limit=2, per="1m"))  # type: ignore[arg-type]
    state, _ = turn(State(), 1, spec, 0.0)
    state, _ = turn(state, 2, spec, 30.0)
    state, third = turn(state, 3, spec, 50.0)

    assert third == Drop("throttled: 2 began within 60 s; the next may in 10.0 s")
    assert turn(state, 2, spec, 55.0)[1] == Go(), "what was counted is not counted twice"
    assert turn(state, 4, spec, 61.0)[1] == Go()


def test_a_queue_has_an_end() -> None:
    state, _ = turn(State(), 0, QUEUE)
    full = replace(state, waiting=tuple((f"2025-{n:04}", f"g{n:04}") for n in range(1000)))

    assert isinstance(turn(full, 1, QUEUE)[1], Drop)


def test_a_trigger_that_queues_no_more_strands_nobody() -> None:
    state, _ = turn(State(), 1, QUEUE)
    state, _ = turn(state, 2, QUEUE)

    assert turn(state, 3, TriggerSpec(overlap="reject"), 0.0, 1)[1] == Go()


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=60))
def test_whatever_the_order_one_runs_at_a_time_and_in_order(steps: list[tuple[int, bool]]) -> None:
    """`steps`: which firing is looked at, and whether what runs has ended by then."""
    state, begun, running, over = State(), list[int](), list[int](), set[int]()
    seen = set[int]()
    for n, ends in steps:
        if ends and running:
            over.add(running.pop())
        if n in begun:
            continue
        waiting = [int(id[1:]) for _, id in state.waiting]
        state, verdict = turn(state, n, QUEUE, 0.0, *over)
        seen.add(n)
        if verdict == Go():
            assert not running
            assert not waiting or waiting[0] == n
            running.append(n)
            begun.append(n)
        else:
            assert isinstance(verdict, Wait)
        assert State.from_dict(state.to_dict()) == state
    assert seen == {*begun, *(int(id[1:]) for _, id in state.waiting)}, "nobody is forgotten"


def test_the_status_says_whether_somebody_has_yet_to_look() -> None:
    assert [s for s in FiringStatus if s.open] == [FiringStatus.PENDING, FiringStatus.WAITING]


def test_only_the_first_that_waits_is_told_when_something_ends() -> None:
    state, _ = turn(State(), 1, QUEUE)
    state, second = turn(state, 2, QUEUE)

    assert second == Wait(2.0, ["e001"])
    assert turn(state, 3, QUEUE)[1] == Wait(30.0)


def test_a_clock_that_is_put_back_an_hour_stretches_neither_debounce_nor_throttle() -> None:
    debounced = TriggerSpec(debounce="10s")  # type: ignore[arg-type]
    state, _ = turn(State(), 1, debounced, 3600.0)
    state, verdict = turn(state, 1, debounced, 0.0)
    assert verdict == Wait(10.0)
    assert turn(state, 1, debounced, 10.0)[1] == Go()

    throttled = TriggerSpec(throttle=Throttle(limit=1, per="1m"))  # type: ignore[arg-type]
    state, _ = turn(State(), 1, throttled, 3600.0)
    state, verdict = turn(state, 2, throttled, 0.0)
    assert isinstance(verdict, Drop)
    assert turn(state, 3, throttled, 61.0)[1] == Go()


def test_a_firing_that_is_tried_again_is_not_behind_what_it_could_not_begin() -> None:
    state, _ = turn(State(), 1, QUEUE)
    again = replace(firing(1), execution_id="e100")

    state, verdict = decide(state, again, QUEUE, 0.0, ())

    assert verdict == Go()
    assert [active.execution for active in state.active] == ["e100"]


def test_lanes_of_before_are_read() -> None:
    old = State().to_dict() | {"active": [["e001", "f001"]]}

    assert isinstance(turn(State.from_dict(old), 2, QUEUE)[1], Wait)


def test_what_comes_after_the_clock_was_put_back_is_not_taken_for_something_older() -> None:
    spec = TriggerSpec(debounce="10s")  # type: ignore[arg-type]
    state, _ = turn(State(), 9, spec, 3600.0)
    state, begun = turn(state, 9, spec, 3610.0)
    assert begun == Go()

    state, verdict = turn(state, 1, spec, 5.0)

    assert verdict == Wait(15.0)
    assert turn(state, 1, spec, 15.0)[1] == Go()


def test_what_is_replayed_after_its_burst_begins() -> None:
    """While whoever was only slow to be looked at is still a part of it."""
    spec = TriggerSpec(debounce="10s")  # type: ignore[arg-type]
    state, _ = turn(State(), 2, spec, 0.0)
    state, begun = turn(state, 2, spec, 10.0)
    assert begun == Go()

    assert turn(state, 1, spec, 40.0)[1] == Merge("f002", carry=False)
    state, replayed = turn(state, 1, spec, 100.0)

    assert replayed == Wait(110.0)
    assert turn(state, 1, spec, 110.0)[1] == Go()
