"""The benchmark on Google's emulators runs, in a tiny form, and sees what it should."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..emulators import VARIABLES

pytestmark = pytest.mark.anyio

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("cloud")


async def test_a_step_costs_one_commit_and_the_naive_saver_three(
    cloud: Any,
    emulated: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cloud.payload, "STEPS", 8)
    short, long = cloud.chain(3), cloud.chain(8)
    heavy = cloud.carrying("each reads it", cloud.payload.read)
    found = await cloud.costs([short, long, heavy], rounds=1)
    (their_short, our_short), (their_long, our_long) = found[short.name], found[long.name]
    assert their_long.commits - their_short.commits == 3 * 5
    assert our_long.commits - our_short.commits <= 5 + 1  # a heartbeat may have come between
    theirs, ours = found[heavy.name]
    assert theirs.size > 8 * 100_000 * 4 / 3
    assert 75_000 < ours.size < theirs.size / 4
    cloud.show_costs([heavy], found, 1)
    said = capsys.readouterr().out
    assert re.search(r"Assay, W6: .* ≤ 1 MISSED", said)  # with its beginning and end


async def test_every_offer_is_picked_up_with_a_bell_and_without(
    cloud: Any, emulated: object, capsys: pytest.CaptureFixture[str]
) -> None:
    extent = cloud.Extent(rounds=1, lanes=1, offers=2, calm=(0.0, 0.1))
    swept, rung = await cloud.picked_up(extent)
    assert (len(swept), len(rung)) == (2, 2)
    assert min(*swept, *rung) > 0
    cloud.show_picked_up(swept, rung)
    assert "rung for by Pub/Sub" in capsys.readouterr().out


async def test_a_step_begins_again_once_its_worker_is_dead(cloud: Any, emulated: object) -> None:
    assert 0.5 < await cloud.recovered(1.0, calm=(0.0, 0.5)) < 30


def test_without_emulators_it_says_what_to_install() -> None:
    environ = {k: v for k, v in os.environ.items() if k not in VARIABLES.values()}
    said = subprocess.run(
        [sys.executable, BENCH / "cloud.py"],
        env={**environ, "PATH": "", "HOME": str(BENCH)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert said.stderr.startswith("Google's emulators need a Java runtime")
    assert said.stdout == ""
