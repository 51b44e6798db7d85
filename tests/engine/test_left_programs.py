"""A program that an earlier life of an execution left running never runs beside its repeat."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from assay.graphs.orphans import KEY

from ..running import open_house
from .asking import answered, asked

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="programs are found by /proc"),
]

STEPS = "- {id: ask, type: approval, message: x}\n- {id: work, type: shell, command: echo done}\n"


async def test_one_whose_step_was_not_yet_known_to_have_begun_is_ended_too(tmp_path: Path) -> None:
    """A kill within a tenth of a second of a step's beginning leaves no word of it."""
    async with open_house(tmp_path) as house:
        started = await house.start(STEPS)
        await asked(house, started, "ask")
    left = await asyncio.create_subprocess_exec(
        *("sleep", "600"), env={**os.environ, KEY: f"{started.id}/work"}
    )
    try:
        async with open_house(tmp_path) as house:
            await house.app.manager.resume(started.id)
            await answered(house, started, "ask")
            ended = await house.app.wait(started.id)
        assert ended.status == "completed"
        assert await asyncio.wait_for(left.wait(), 60) == -signal.SIGKILL
    finally:
        if left.returncode is None:
            left.kill()
