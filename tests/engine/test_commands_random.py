"""Pauses, resumes, restarts and panics in any order: the execution ends as if there were none.

`ASSAY_LONG=1` tries 200 orders instead of 8.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import assay
from assay.graphs.errors import NotPossible
from assay.graphs.event import EventType
from assay.graphs.execution import Execution
from assay.graphs.question import QuestionStatus

from ..running import House, mapping, open_house, statuses
from .lasting import events
from .test_closing_anywhere import CHILD, DOCUMENT, OUTPUTS, World, answer

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

LONG = bool(os.environ.get("ASSAY_LONG"))
LIVES = 6


class Unruly(World):
    """A world in which the system fails now and then."""

    def __init__(self, folder: Path, random: Random) -> None:
        super().__init__(folder)
        self.random = random
        self.panics = 0

    async def work(self, value: Any) -> Any:
        if self.panics < 4 and self.random.random() < 0.03:
            self.panics += 1
            raise MemoryError
        return await super().work(value)


async def disturbed(house: House, execution: Execution, random: Random) -> None:
    """Tell it this and that, while it runs, until it is told no more."""
    manager = house.app.manager
    for _ in range(random.randrange(12)):
        await asyncio.sleep(random.choice([0.0, 0.0, 0.001, 0.003, 0.01]))
        with suppress(NotPossible):  # it may have ended
            match random.randrange(5):
                case 0:
                    await manager.pause(execution.id)
                case 1 | 2:
                    await manager.resume(execution.id)
                case 3:
                    await answer(house, execution)
                case 4:
                    await manager.send_event("noise", random.random(), key="k")


@pytest.mark.parametrize("seed", range(200 if LONG else 8))
async def test_it_ends_as_if_nothing_had_been_said(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    world = Unruly(tmp_path, random)
    definition = {
        **mapping(DOCUMENT),
        "panic": {"delay": "4ms", "backoff": "fixed", "max_restarts": 10},
    }
    execution = None
    for _ in range(LIVES):
        async with open_house(tmp_path) as house, open_house(tmp_path) as other:
            for each in (house, other):
                each.app.function("work", world.work)
                each.app.function("flaky", world.flaky)
            if execution is None:
                await house.app.register(mapping(CHILD))
                execution = await house.app.manager.start(definition, fuse=random.random() < 0.5)
            async with asyncio.TaskGroup() as group:
                for each in (house, other):
                    group.create_task(disturbed(each, execution, random))
    assert execution is not None
    async with open_house(tmp_path) as house:
        house.app.function("work", world.work)
        house.app.function("flaky", world.flaky)
        done = await to_its_end(house, execution)
        found = await events(house, execution)
        questions = await house.app.manager.questions(execution_id=done.id, status=None, limit=500)

    assert done.status == "completed", done.error
    assert done.outputs == OUTPUTS
    assert done.restarts <= world.panics  # two at once are one restart, one while leaving none
    assert [path for path, s in statuses(done).items() if s == "cancelled"] == ["race.never"]
    assert [q.path for q in questions.items if q.status is QuestionStatus.OPEN] == []
    assert {path: n for path, n in world.done.items() if n != 1} == {}
    assert world.tries == 3
    ended = Counter(e.path for e in found if e.type is EventType.STEP_COMPLETED)
    assert {path: n for path, n in ended.items() if n != 1} == {}
    assert ended.keys() == {p for p, s in statuses(done).items() if s == "completed"}


async def to_its_end(house: House, execution: assay.Execution) -> assay.Execution:
    with suppress(NotPossible):
        await house.app.resume(execution.id)
    waiting = asyncio.create_task(house.app.wait(execution.id))
    async with asyncio.timeout(60):
        while not waiting.done():
            await answer(house, execution)
            await asyncio.wait([waiting], timeout=0.02)
    return await house.app.manager.get(execution.id)
