"""The simulation loses nothing, invents nothing, and says the same again."""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"

SMALL = {
    "workers": 12,
    "concurrency": 5,
    "per_day": 86_400.0,
    "window": 60.0,
    "burst": 20,
    "steps": 3,
    "step": 1.0,
    "slotted": 0.3,
    "keys": 3,
    "limit": 2,
    "deaths": 2_000.0,
    "unheard": 0.1,
    "twice": 0.2,
}


SOONEST = 15.0
"""Seconds from a death until it may be known, and a second look is due: 15 - 15/4 + 15/4."""


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that simulates the small setup, with changes."""
    monkeypatch.syspath_prepend(str(BENCH))
    simulation = importlib.import_module("sides.simulation")
    scale = importlib.import_module("sides.scale")

    def run(**changes: Any) -> tuple[Any, Any]:
        made = simulation.Simulation(scale.Setup(**{**SMALL, **changes}))
        return made, made.run()

    return run


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("doorbell", [True, False])
def test_every_execution_ends_once_however_workers_die(
    simulated: Any, seed: int, doorbell: bool
) -> None:
    made, report = simulated(seed=seed, doorbell=doorbell)
    assert report.deaths > 0
    assert report.recovery[1] >= SOONEST
    assert len(made.executions) == report.executions > 50
    assert [each.number for each in made.executions if each.ends != 1] == []


@pytest.mark.parametrize("seed", range(5))
def test_no_two_workers_drive_one_execution_at_a_time(simulated: Any, seed: int) -> None:
    made, _ = simulated(seed=seed)
    for execution in made.executions:
        for (_, _, until), (_, since, _) in pairwise(execution.drives):
            assert until <= since


def test_no_worker_drives_more_than_it_has_room_for(simulated: Any) -> None:
    made, report = simulated(load=5.0, deaths=0.0)
    spans = sorted(
        change
        for execution in made.executions
        for worker, since, until in execution.drives
        for change in ((worker, since, 1), (worker, until, -1))
    )
    driven = dict.fromkeys((worker.number for worker in made.workers), 0)
    for worker, _, change in spans:
        driven[worker] += change
        assert driven[worker] <= SMALL["concurrency"]
    assert report.most_driven == SMALL["concurrency"]
    assert set(driven.values()) == {0}


def test_no_more_slots_are_held_than_a_key_has(simulated: Any) -> None:
    made, _ = simulated(deaths=0.0)
    of_key: dict[int, list[tuple[float, int]]] = {}
    for execution in made.executions:
        if execution.key is not None:
            ((_, since, until),) = execution.drives
            of_key.setdefault(id(execution.key), []).extend([(since, 1), (until, -1)])
    assert len(of_key) == SMALL["keys"]
    for changes in of_key.values():
        held = 0
        for _, change in sorted(changes):
            held += change
            assert held <= SMALL["limit"]


def test_the_same_seed_says_the_same_and_another_something_else(simulated: Any) -> None:
    first, again, other = (simulated(seed=seed)[1] for seed in (7, 7, 8))
    assert first == again != other


def test_without_the_doorbell_executions_wait_for_a_sweep(simulated: Any) -> None:
    calm = {"workers": 1, "burst": 0, "slotted": 0.0, "deaths": 0.0, "per_day": 8_640.0}
    rung, unrung = (simulated(**calm, unheard=0.0, doorbell=on)[1] for on in (True, False))
    assert rung.delay[0] < 0.5 < unrung.delay[0] < 3.0


def test_a_thousand_sweepers_are_in_nobodys_way(simulated: Any) -> None:
    """With the doorbell each execution is claimed once; without, they are spread over time."""
    thousand = {"workers": 1_000, "per_day": 1e6, "window": 10.0, "slotted": 0.0, "deaths": 0.0}
    _, rung = simulated(**thousand, unheard=0.0, twice=0.0)
    assert rung.lost + rung.late < 5
    _, herd = simulated(**thousand, crew=1e6, doorbell=False)
    _, few = simulated(**thousand, doorbell=False)
    assert few.lost + few.late < (herd.lost + herd.late) / 5
    assert few.sweep_reads < herd.sweep_reads / 5
    assert few.delay[1] < 4.0
