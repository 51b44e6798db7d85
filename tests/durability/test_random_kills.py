"""Random workflows, killed at random moments, end as the reference interpreter says.

`ASSAY_LONG=1` tries 500 workflows instead of 40; each is killed up to three times.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .forkserver import ForkServer
from .random_workflow import kill_at_moments

LONG = bool(os.environ.get("ASSAY_LONG"))
EACH = 4


@pytest.mark.parametrize("part", range(125 if LONG else 10))
def test_a_kill_at_any_moment_changes_nothing(
    server: ForkServer, tmp_path: Path, part: int
) -> None:
    killed = 0
    for seed in range(EACH * part, EACH * part + EACH):
        came = kill_at_moments(server, tmp_path / str(seed), seed)
        assert not came.wrong, (seed, came.wrong)
        killed += came.kills
    assert killed >= EACH
