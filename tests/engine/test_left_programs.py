"""A program that an earlier life of an execution left running never runs beside its repeat."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
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


LEAVING = """
- id: work
  type: shell
  {more}
  command: |
    setsid bash -c 'echo $$ > leaving; mv leaving left; exec sleep 600' &
    while [ ! -e left ]; do sleep 0.01; done
    {then}
"""


async def number_in(path: Path) -> int:
    """The number that a process wrote there, as soon as it has."""
    async with asyncio.timeout(60):
        while not path.exists():  # noqa: ASYNC110 - a program's
            await asyncio.sleep(0.01)
    return int(path.read_text())


async def test_what_left_the_session_of_a_command_ends_when_the_execution_is_stopped(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        started = await house.start(LEAVING.format(more="name: long", then="sleep 600"))
        left = await number_in(house.workspace / "left")
        await house.app.manager.stop(started.id)
        assert (await house.app.wait(started.id)).status == "cancelled"
        assert not living(left)


async def test_what_left_the_session_of_a_command_that_took_too_long_ends_with_it(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        failed = await house.run(LEAVING.format(more="timeout: 3s", then="sleep 600"))
        assert failed.status == "failed"
        left = house.workspace / "left"
        assert not left.exists() or not living(int(left.read_text()))


async def test_a_daemon_of_a_command_that_ended_well_is_left_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(LEAVING.format(more="name: short", then="true"))
        left = await number_in(house.workspace / "left")
        try:
            assert done.status == "completed"
            assert living(left)
        finally:
            os.kill(left, signal.SIGKILL)


def living(pid: int) -> bool:
    """Whether it runs; one that is dead and that nobody has reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
