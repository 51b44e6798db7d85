"""Thirty executions on two workers, through a storm: `make chaos` is the long form of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ..emulators import Emulators
from .play import Plan, play

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

SEED = int(os.environ.get("ASSAY_CHAOS_SEED", "1"))
"""Chance has its part all the same: in when each thing comes to pass."""


async def test_workers_that_are_killed_frozen_and_cut_off_keep_every_promise(
    emulators: Emulators, tmp_path: Path
) -> None:
    plan = Plan(executions=30, workers=2, seed=SEED, every=0.8)
    report = await play(plan, tmp_path, emulators.firestore)
    sys.stdout.write(f"{report}\n")
    assert report.wrong == [], f"seed {SEED} (ASSAY_CHAOS_SEED)\n{report}"
    assert report.ended.total() >= plan.executions
    assert report.did["killed"] + report.did["frozen"] + report.did["Firestore cut"] >= 3
    for what in ("dropped", "doubled", "late"):
        assert report.did[f"messages {what}"] > 0
