"""Killed at every commit boundary, a workflow with every kind of step ends as if it had not been.

Here the boundaries of a run that completes, and a part of those of one that is rolled back;
`ASSAY_LONG=1` tries all of both in each way, `make chaos` more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .every_kind import Scene, Way, boundaries, kill
from .existence import Left
from .forkserver import ForkServer
from .world import World

pytestmark = pytest.mark.timeout(600)

LONG = bool(os.environ.get("ASSAY_LONG"))
PARTS = 12
"""Tests that share the boundaries: so that several at once can try them."""

SAMPLE = 1 if LONG else 4
"""Of the boundaries of the run that is rolled back, one in so many."""

Known = dict[bool, tuple[Left, int]]


@pytest.fixture(scope="session")
def known() -> Known:
    """What undisturbed runs have left, by whether they are rolled back."""
    return {}


def scene(
    server: ForkServer, outside: World, folder: Path, known: Known, *, rollback: bool
) -> tuple[Scene, Left, int]:
    scene = Scene(server, outside, folder, rollback)
    if rollback not in known:
        known[rollback] = scene.undisturbed()
    return scene, *known[rollback]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_between_any_two_commits_changes_nothing(
    server: ForkServer, outside: World, tmp_path: Path, known: Known, part: int
) -> None:
    stage, expected, commits = scene(server, outside, tmp_path, known, rollback=False)
    check(stage, expected, boundaries(commits)[part::PARTS], part)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_between_any_two_commits_of_a_rollback_changes_nothing(
    server: ForkServer, outside: World, tmp_path: Path, known: Known, part: int
) -> None:
    stage, expected, commits = scene(server, outside, tmp_path, known, rollback=True)
    check(stage, expected, boundaries(commits)[::SAMPLE][part::PARTS], part)


def check(stage: Scene, expected: Left, places: list[str], turn: int) -> None:
    """Kill at each place, in one way after another, or in all of them; then they were killed."""
    killed = 0
    for index, place in enumerate(places):
        for way in list(Way) if LONG else [list(Way)[(index + turn) % len(Way)]]:
            came = kill(stage, place, way, expected)
            assert not came.wrong, (place, way, came.wrong)
            killed += came.kills
    assert killed >= len(places) - 2
