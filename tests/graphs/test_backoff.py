"""How a delay grows, for retries and restarts alike."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.graphs.backoff import grown
from assay.graphs.panic import LONGEST_DELAY, restart_delay
from assay.graphs.step import Backoff
from assay.graphs.workflow import Panic

BACKOFFS = st.sampled_from(["exponential", "linear", "fixed"])
SECONDS = st.floats(0, 1e9)
NUMBERS = st.integers(1, 10_000)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [("fixed", [2, 2, 2, 2]), ("linear", [2, 4, 6, 7]), ("exponential", [2, 4, 7, 7])],
)
def test_a_delay_grows_as_it_was_written(backoff: Backoff, delays: list[float]) -> None:
    assert [grown(2, backoff, number, 7) for number in (1, 2, 3, 4)] == delays


@given(SECONDS, BACKOFFS, NUMBERS, SECONDS)
def test_no_delay_is_longer_than_the_longest(
    delay: float, backoff: Backoff, number: int, longest: float
) -> None:
    assert 0 <= grown(delay, backoff, number, longest) <= longest


@given(SECONDS, BACKOFFS, NUMBERS, SECONDS)
def test_no_delay_is_shorter_than_the_one_before(
    delay: float, backoff: Backoff, number: int, longest: float
) -> None:
    before, after = (grown(delay, backoff, n, longest) for n in (number, number + 1))

    assert before <= after


@given(st.floats(0.001, 1e9), BACKOFFS, NUMBERS)
def test_the_first_delay_is_the_one_that_was_written(
    delay: float, backoff: Backoff, number: int
) -> None:
    assert grown(delay, backoff, 1, math.inf) == delay
    assert grown(delay, "fixed", number, math.inf) == delay


def test_a_restart_waits_longer_each_time_but_never_over_five_minutes() -> None:
    panic = Panic()

    assert [restart_delay(panic, restart) for restart in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert restart_delay(panic, 1000) == LONGEST_DELAY == 300


@given(SECONDS, BACKOFFS, NUMBERS)
def test_every_restart_comes(delay: float, backoff: Backoff, restart: int) -> None:
    panic = Panic.model_construct(delay=delay, backoff=backoff)

    assert 0 <= restart_delay(panic, restart) <= LONGEST_DELAY
