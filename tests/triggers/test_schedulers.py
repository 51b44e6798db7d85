"""Clocks in processes of their own: whoever is killed, late, or there as well, a time fires once.

`ASSAY_LONG=1` races 1,000 schedules instead of 150.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.firing import FiringStatus, Trigger
from assay.graphs.units import format_time
from assay.triggers.cron import CronTrigger, upcoming

from ..emulators import Emulators
from .ticking import HOUR, NOON, House, opened

pytestmark = pytest.mark.anyio

SCHEDULES = 1000 if os.environ.get("ASSAY_LONG") else 150
SCHEDULER = Path(__file__).with_name("clockwork.py")


class Scheduler:
    """One process more."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def at(self, now: float) -> list[tuple[str, str]]:
        """What it was the first to fire, as trigger and time."""
        await self._send({"now": now})
        assert self._process.stdout is not None
        answer = await self._process.stdout.readline()
        return [(trigger, due) for trigger, due in json.loads(answer)]

    async def dies(self, now: float, when: str, triggers: int) -> None:
        await self._send({"now": now, "die": when, "triggers": triggers})
        assert await self._process.wait() == -signal.SIGKILL

    async def _send(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()


Begin = Callable[[Path], Awaitable[Scheduler]]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    begun: list[asyncio.subprocess.Process] = []

    async def begin(folder: Path) -> Scheduler:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, SCHEDULER, folder, stdin=pipe, stdout=pipe
        )
        begun.append(process)
        return Scheduler(process)

    yield begin
    for process in begun:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("die", ["before", "after", "moved"])
async def test_who_is_killed_at_a_due_time_loses_none_and_doubles_none(
    tmp_path: Path, begin: Begin, die: str
) -> None:
    """Killed about one o'clock; the next one comes four hours later, and 40 seconds late."""
    kept = [] if die == "before" else ["13:00"]
    missed = ["14:00", "15:00", "16:00", "17:00"]
    expected = {"none": kept, "one": [*kept, "17:00"], "all": ["13:00", *missed]}
    async with opened(tmp_path) as house:
        triggers = {
            policy: await house.cron(id=policy, catch_up=policy, overlap="parallel")
            for policy in expected
        }

    await (await begin(tmp_path)).dies(NOON + HOUR + 1, die, len(triggers))
    await (await begin(tmp_path)).at(NOON + 5 * HOUR + 40)

    async with opened(tmp_path) as house:
        house.time = NOON + 5 * HOUR + 50
        fired = [f for trigger in triggers.values() for f in await house.firings(trigger)]
        async with house.app.triggers.running():
            ended = [await house.desk.settled(firing, 30) for firing in fired]
        executions = (await house.app.manager.executions(workflow="w")).items
        times = {policy: await house.fired(trigger) for policy, trigger in triggers.items()}
    assert times == expected
    assert {firing.status for firing in ended} == {FiringStatus.STARTED}
    assert len(executions) == len(fired)


async def test_schedulers_that_race_fire_each_time_once(tmp_path: Path, begin: Begin) -> None:
    """Three processes that look at the same moment, at schedules that are due together."""
    async with opened(tmp_path) as house:
        made = [
            await house.cron(id=f"t{n}", schedule=f"{n % 6 * 10} * * * *", catch_up="all")
            for n in range(SCHEDULES)
        ]
        due = {
            (trigger.id, format_time(moment))
            for trigger in made
            for moment in upcoming(await spec(house, trigger), NOON, 2)
        }

    racers = [await begin(tmp_path) for _ in range(3)]
    told = [await racer.at(NOON) for racer in racers]
    for minute in range(10, 121, 10):
        # The third comes late, and then to several times at once.
        moments = [minute, minute, minute - minute % 30 - 1 if minute < 120 else 120]
        looks = (r.at(NOON + m * 60) for r, m in zip(racers, moments, strict=True))
        for racer, fired in enumerate(await asyncio.gather(*looks)):
            told[racer] += fired

    assert Counter(fired for fireds in told for fired in fireds) == dict.fromkeys(due, 1)
    assert sum(map(bool, told)) > 1, "nobody raced"


async def test_on_firestore_each_time_is_fired_once_as_well(
    emulated: Emulators, tmp_path: Path
) -> None:
    url = f"firestore://test-{secrets.token_hex(8)}"
    async with opened(tmp_path, url) as one, opened(tmp_path, url) as other:
        made = [await one.cron(id=f"t{n}", catch_up="all") for n in range(3)]
        wrote = list[str]()
        for house in (one, other):
            house.desk.fired = lambda firing: wrote.append(
                f"{firing.trigger} {firing.payload['due']}"
            )
        for hour in (1, 2, 4):
            await asyncio.gather(*(house.at(NOON + hour * HOUR) for house in (one, other)))
        fired = [await one.fired(trigger) for trigger in made]

    assert fired == [["13:00", "14:00", "15:00", "16:00"]] * 3
    assert len(wrote) == len(set(wrote)) == 12


async def spec(house: House, trigger: Trigger) -> CronTrigger:
    found = await house.desk.spec(trigger)
    assert isinstance(found, CronTrigger)
    return found
