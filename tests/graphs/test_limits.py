"""What limits mean: what is shared, what beats what, and how time and shares are counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.graphs.limits import BURST, Cpu, Limits, Memory, Stopwatch, overtime
from assay.graphs.step import StepLimits
from assay.graphs.workflow import ResourceLimits

MIB = 1024 * 1024


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 4)), max_size=60), st.floats(0.05, 3))
def test_a_share_is_never_overdrawn_by_more_than_one_look(
    looks: list[tuple[float, float]], share: float
) -> None:
    """Whatever programs do between two looks, they are stopped as soon as one sees it."""
    clock = Hand()
    cpu = Cpu(share, clock)
    stopped, used, most = False, 0.0, 0.0
    for seconds, cores in looks:
        clock.now += seconds
        spent = 0.0 if stopped else cores * seconds
        used += spent
        most = max(most, spent)
        stopped = cpu.spend(spent)

    assert used <= share * (clock.now - 1000.0 + BURST) + most + 1e-6


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=60), st.floats(0.05, 3))
def test_a_program_within_its_share_is_never_stopped(looks: list[float], share: float) -> None:
    clock = Hand()
    cpu = Cpu(share, clock)
    for seconds in looks:
        clock.now += seconds
        assert not cpu.spend(0.99 * share * seconds)


def test_memory_is_what_all_hold_together_and_the_largest_must_go() -> None:
    held = Memory(100, "workflow")

    assert not held.hold("small", 40)
    assert held.room("large") == 60
    assert held.hold("large", 61)
    assert not held.hold("small", 40)
    held.release("large")
    assert not held.hold("small", 100)
    assert held.hold("small", 101)
    assert held.peak == 101


def test_each_limit_of_a_step_beats_that_of_its_workflow() -> None:
    around = Limits.of_workflow(ResourceLimits.model_validate({"memory": "1GiB", "cpu": 2.0}))

    assert around.narrowed(None) is around
    narrowed = around.narrowed(StepLimits.model_validate({"memory": "2GiB"}))

    assert narrowed.memory is not None
    assert narrowed.memory.limit == 2 * 1024 * MIB
    assert narrowed.cpu is around.cpu
    assert Limits.of_workflow(None) == Limits()


@pytest.mark.parametrize(
    "written",
    [
        {"memory": "0B"},
        {"memory": 100},
        {"memory": "much"},
        {"cpu": 0},
        {"cpu": -1.0},
        {"cpu": float("inf")},
        {"cpu": float("nan")},
        {"cpu": "1"},
        {"timeout": "1h"},
        {"memori": "1GiB"},
    ],
    ids=repr,
)
def test_limits_that_mean_nothing_are_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StepLimits.model_validate(written)


def test_a_stopwatch_stands_until_it_is_started_and_while_it_is_stopped() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock=clock)
    clock.now += 10
    assert stopwatch.seconds == 0

    stopwatch.start()
    clock.now += 2
    stopwatch.start()
    clock.now += 1
    assert stopwatch.seconds == 3

    stopwatch.stop()
    stopwatch.stop()
    clock.now += 10
    assert stopwatch.seconds == 3


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=40))
def test_a_stopwatch_goes_on_where_a_kept_one_was_left(turns: list[tuple[int, bool]]) -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock=clock)
    worked = 0
    for seconds, works in turns:
        if works:
            stopwatch.start()
            worked += seconds
        else:
            stopwatch = Stopwatch(stopwatch.seconds, clock)
        clock.now += seconds

    assert stopwatch.seconds == pytest.approx(worked)


def test_a_stopwatch_says_what_is_left() -> None:
    clock = Hand()
    stopwatch = Stopwatch(50, clock)
    stopwatch.start()
    clock.now += 4

    assert stopwatch.left(60) == 6
    assert stopwatch.left(10) == 0
    assert stopwatch.left(None) is None
    assert "longer than `resource_limits.timeout` of 1h" in overtime(3600).message
