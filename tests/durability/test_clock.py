"""A clock that jumps by an hour, either way, fires no timer twice and steals no live lease."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .clock import HOUR
from .existence import Existence
from .forkserver import ForkServer
from .verdict import broken

WAITING = (Path(__file__).parent / "waiting.yaml").read_text()
FIRED = {
    "timers.sleep.woken": 1,  # runs when the sleep has ended
    "timers.retry": 2,  # the attempt that failed, and the one after the pause
    "after": 1,
}


@pytest.fixture
def existence(server: ForkServer, tmp_path: Path) -> Existence:
    return Existence(server, tmp_path / "e", {"waiting.yaml": WAITING}, {}, {})


@pytest.mark.parametrize(
    "shifts", [[HOUR], [HOUR, 0.0, HOUR], [HOUR, -HOUR, HOUR]], ids=["on", "and-back", "to-and-fro"]
)
def test_a_clock_that_jumps_while_timers_run_fires_each_once(
    existence: Existence, shifts: list[float]
) -> None:
    assert existence.live(program="timers:jump", shifts=shifts) == "completed"
    expect_fired_once(existence)


def test_a_clock_that_jumps_between_two_lives_fires_each_timer_once(existence: Existence) -> None:
    """Begun at noon; gone on with at eleven, at noon, at one, when they are due, at eleven."""
    for shift in (0.0, -HOUR, 0.0):
        assert existence.live(patient=False, shift=shift) == "waiting"
    assert existence.left().account.begun == {("timers.retry", 1): 1}
    for shift in (HOUR, -HOUR):
        assert existence.live(patient=False, shift=shift) == "completed"
    expect_fired_once(existence)


def test_an_answer_counts_though_the_clock_jumped_past_its_deadline(existence: Existence) -> None:
    assert existence.live(patient=False) == "waiting"
    assert existence.begin("life:answer").end() == 0
    assert existence.live(patient=False, shift=HOUR) == "completed"

    assert existence.left().history.results["timers.approval"].outputs["by"] == "ada"
    expect_fired_once(existence)


@pytest.mark.parametrize("shift", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_worker_with_a_wrong_clock_leaves_alone_what_another_drives(
    existence: Existence, shift: float
) -> None:
    """To a clock that is ahead every timer of it looks due."""
    driver = existence.begin("timers:hold")
    assert driver.hear() == "waiting"
    other = existence.begin("timers:look_around", shift=shift)
    assert other.hear() == "left alone"
    assert other.end() == 0
    driver.kill()
    driver.end()

    assert existence.left().account.begun == {("timers.retry", 1): 1}


def test_a_worker_takes_over_from_a_dead_one_when_a_timer_is_due(existence: Existence) -> None:
    driver = existence.begin("timers:hold")
    assert driver.hear() == "waiting"
    driver.kill()
    driver.end()

    assert existence.live(program="timers:inherit", shift=HOUR) == "completed"
    expect_fired_once(existence)


def expect_fired_once(existence: Existence) -> None:
    left = existence.left()
    begun: Counter[str] = Counter()
    for (path, _), n in left.account.begun.items():
        begun[path] += n
    assert left.execution.outputs == {"late": "late"}
    assert begun == FIRED
    assert broken(left, existence.kills) == []
