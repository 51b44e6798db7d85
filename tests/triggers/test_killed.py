"""Processes that fire and dispatch are killed, again and again: each firing has one outcome.

`ASSAY_LONG=1` kills a hundred times as often, also two processes at work on the same lanes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from tests.durability.firing_life import OVERLAPS
from tests.durability.forkserver import Child, ForkServer

from assay.api.app import App, open_app
from assay.graphs.execution import Execution
from assay.graphs.firing import Firing, FiringStatus, firing_id
from assay.graphs.listing import every
from assay.graphs.stored import AuditEntry

pytestmark = pytest.mark.anyio

LONG = bool(os.environ.get("ASSAY_LONG"))
COUNT = 6
LIVES = 4
BOUNDARIES = 60
"""About as many commits as there are before everything is over."""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as forks:
        yield forks


@pytest.mark.parametrize("seed", range(100 if LONG else 3))
async def test_each_firing_has_one_outcome_whenever_processes_are_killed(
    server: ForkServer, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    beside = seed % 2 == 1  # another process, which is not killed before the last life
    helper = _life(server, tmp_path) if beside else None
    killed = 0
    for _ in range(LIVES):
        place = f"{random.choice(('before', 'after'))} {random.randint(1, BOUNDARIES)}"
        killed += _life(server, tmp_path, die_at=place).end() < 0
    if helper is not None:
        helper.kill()
        helper.end()
    _whole(_life(server, tmp_path))

    assert killed
    await _check(tmp_path)


async def test_two_processes_and_clocks_an_hour_apart(server: ForkServer, tmp_path: Path) -> None:
    children = [_life(server, tmp_path, shift=shift) for shift in (0.0, -3600.0)]
    for child in children:
        _whole(child)

    await _check(tmp_path)


def _life(server: ForkServer, folder: Path, **how: object) -> Child:
    return server.fork(
        "firing_life:fire", folder / "log", home=str(folder / "home"), count=COUNT, **how
    )


def _whole(child: Child) -> None:
    said = []
    while (line := child.hear()) is not None:
        said.append(line)
    assert child.end() == 0, child.log
    assert said == ["serving", "over"], child.log


async def _check(folder: Path) -> None:
    async with open_app(home=folder / "home", workspace=folder, environ={}) as app:
        for overlap in OVERLAPS:
            firings = [
                await app.manager.store.firing(firing_id(f"{overlap}.manual", str(n)))
                for n in range(COUNT)
            ]
            began = [each async for each in _executions(app, overlap)]
            _each_has_one_outcome(firings, began)
            if overlap != "parallel":
                _one_at_a_time(began)
        told = Counter(entry.data["firing"] for entry in await _audited(app))
        assert set(told.values()) == {1}


async def _executions(app: App, workflow: str) -> AsyncIterator[Execution]:
    store = app.manager.store
    async for each in every(store.executions, workflow=workflow):
        yield each


async def _audited(app: App) -> Sequence[AuditEntry]:
    entries = [each async for each in every(app.manager.store.audit)]
    return [entry for entry in entries if entry.action == "start_execution"]


def _each_has_one_outcome(firings: Sequence[Firing], began: Sequence[Execution]) -> None:
    by_id = {firing.id: firing for firing in firings}
    started = {f.id: f.execution_id for f in firings if f.status is FiringStatus.STARTED}
    assert {e.firing: e.id for e in began} == started
    assert len(began) == len(started)
    for firing in firings:
        overlap = firing.workflow
        match firing.status:
            case FiringStatus.STARTED:
                pass
            case FiringStatus.MERGED:
                assert overlap == "merge"
                other = by_id[firing.into]
                assert firing.id in other.merged
                assert other.status is FiringStatus.STARTED
            case FiringStatus.DROPPED:
                assert overlap in ("reject", "replace"), firing
            case _:
                raise AssertionError(firing)
    assert started


def _one_at_a_time(began: Sequence[Execution]) -> None:
    in_turn = sorted(began, key=lambda e: e.created_at)
    for one, next in pairwise(in_turn):
        assert one.completed_at is not None
        assert one.completed_at <= next.created_at, (one, next)
