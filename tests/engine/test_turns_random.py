"""A concurrency key under any orders: never more at once than it allows, and nobody is forgotten.

`ASSAY_LONG=1` tries 150 orders instead of 6.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import assay
from assay.graphs.errors import ConcurrencyLimit, NotPossible, QuestionClosed
from assay.graphs.execution import Execution

from ..running import House, open_house
from .lasting import events
from .turns import ASK, alone

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

LONG = bool(os.environ.get("ASSAY_LONG"))
EXECUTIONS = 7


class Crowd:
    """Executions of one key, over several processes and lives; counts who is inside."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.inside = 0
        self.most = 0
        self.completed = 0
        self.executions: list[Execution] = []

    def welcome(self, house: House) -> None:
        house.app.function("turn", self.turn)
        house.app.function("note", self.note)

    async def turn(self, name: str) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(self.random.choice([0.0, 0.002, 0.01]))
            if self.random.random() < 0.1:
                raise MemoryError
        finally:
            self.inside -= 1
        self.completed += 1
        return name

    async def note(self, name: str) -> str:
        return name

    async def act(self, house: House, definition: dict[str, Any]) -> None:
        """One thing that somebody may do."""
        manager, random = house.app.manager, self.random
        if len(self.executions) < EXECUTIONS and random.random() < 0.5:
            with suppress(ConcurrencyLimit):
                priority = random.randrange(3)
                started = await manager.start(definition, {"name": "x"}, priority=priority)
                self.executions.append(started)
            return
        if not self.executions:
            return
        chosen = random.choice(self.executions)
        with suppress(NotPossible):
            match random.randrange(6):
                case 0:
                    await manager.pause(chosen.id)
                case 1:
                    await manager.resume(chosen.id)
                case 2 if random.random() < 0.3:
                    await manager.stop(chosen.id)
                case _:
                    await self.answer(house)

    async def answer(self, house: House) -> None:
        page = await house.app.manager.questions()
        open = [question for question in page.items if not question.timed]
        if open:
            with suppress(QuestionClosed):  # it may have been withdrawn just now
                await house.app.manager.answer(self.random.choice(open).id)


@pytest.mark.parametrize("seed", range(150 if LONG else 6))
async def test_never_too_many_and_all_come_to_an_end(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    crowd = Crowd(random)
    limit = random.choice([1, 1, 2])
    definition = {
        **alone(
            *([ASK] * random.randrange(2)),
            key="k",
            limit=limit,
            hold=random.choice(["execution", "running"]),
            overflow=random.choice(["queue", "queue", "reject", "replace"]),
        ),
        "panic": {"delay": "3ms", "backoff": "fixed", "max_restarts": 50},
    }
    for _ in range(3):
        async with open_house(tmp_path) as one, open_house(tmp_path) as two:
            for house in (one, two):
                crowd.welcome(house)
            for _ in range(random.randrange(14)):
                await crowd.act(random.choice([one, two]), definition)
                await asyncio.sleep(random.choice([0.0, 0.001, 0.005]))
        assert crowd.inside == 0
    async with open_house(tmp_path) as house:
        crowd.welcome(house)
        house.app.manager.serve()
        ended = await to_the_end(house, crowd)
        slots = await house.app.manager.slots()
        for execution in ended:
            await events(house, execution)

    assert crowd.most <= limit
    assert list(slots) == []
    completed = [e for e in ended if e.status == "completed"]
    assert {e.status.value for e in ended} <= {"completed", "cancelled"}
    assert crowd.completed >= len(completed)


async def to_the_end(house: House, crowd: Crowd) -> list[assay.Execution]:
    for execution in crowd.executions:
        with suppress(NotPossible):
            await house.app.resume(execution.id)
    waiting = [asyncio.create_task(house.app.wait(e.id)) for e in crowd.executions]
    async with asyncio.timeout(60):
        while not all(task.done() for task in waiting):
            await crowd.answer(house)
            await asyncio.sleep(0.01)
    return [task.result() for task in waiting]
