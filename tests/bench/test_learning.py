"""Among three synthetic models the cheapest that is good enough is found, and found again."""

from __future__ import annotations

import importlib
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("learning")


def test_after_300_picks_the_second_of_three_is_picked_85_times_in_100(learning: Any) -> None:
    found = learning.shares([(500, learning.RATES)], 20, "second")
    assert mean(found) >= 0.85
    assert min(found) >= 0.7


def test_it_is_left_when_it_falls_and_found_again_when_it_comes_back(learning: Any) -> None:
    fallen = [(400, learning.RATES), (500, learning.FALLEN)]
    assert mean(learning.shares(fallen, 8, "first")) >= 0.75
    assert mean(learning.shares([*fallen, (500, learning.RATES)], 8, "second")) >= 0.75


def test_the_same_seed_picks_the_same(learning: Any) -> None:
    once = learning.play([(100, learning.RATES)], 7)
    assert once == learning.play([(100, learning.RATES)], 7)
    assert once != learning.play([(100, learning.RATES)], 8)


def test_learning_is_cheaper_than_the_best_and_better_than_the_cheapest(learning: Any) -> None:
    picks = learning.play([(500, learning.RATES)], 1)
    cost, good = mean(p.usd for p in picks), mean(p.good for p in picks)
    assert cost < 0.5 * learning.PRICES["first"]
    assert good > learning.RATES["third"] + 0.1
    assert learning.regret(picks) < 2
