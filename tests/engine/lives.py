"""Lives of one execution in one folder: in each but the last everything that can be held is."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from assay.graphs.steps.deterministic import current_call

from ..deadlines import Deadlines
from ..running import House, Order, mapping, open_house


class Lives(Order):
    """`work` notes its path when it is done; what holds of it does so until `open`."""

    def __init__(self, house: House, *, open: bool = True) -> None:
        super().__init__(house)
        self.begun: Counter[str] = Counter()
        self.undone: list[str] = []
        self.open = open
        steps = (self.work, self.hold, self.flaky, self.stuck, self.turn, self.after, self.cling)
        for function in (*steps, self.undo):
            house.function(function)

    async def work(self) -> str:
        path = current_call().path
        self.begun[path] += 1
        self.seen.append(path)
        return path

    async def hold(self) -> str:
        path = current_call().path
        self.begun[path] += 1
        self.gate(f"{path} reached").set()
        if not self.open:
            await self.gate(path).wait()
        self.seen.append(path)
        return path

    async def flaky(self) -> str:
        """Fails in the first attempt of the step around it."""
        if "#" in current_call().path:
            return await self.hold()
        raise ValueError("the first attempt")

    async def stuck(self) -> str:
        """Does not end in the first attempt of the step around it."""
        path = current_call().path
        if "#" not in path:
            self.gate(f"{path} reached").set()
            await asyncio.Event().wait()
        return await self.hold()

    async def turn(self, n: int) -> int:
        """Less in the second attempt of the step around it than in the first."""
        return n if "#" in current_call().path else 9

    async def after(self, gates: list[str]) -> str:
        for gate in gates:
            await self.gate(gate).wait()
        return await self.work()

    async def cling(self) -> None:
        """Does not end before it has been cut off twice."""
        path = current_call().path
        self.gate(f"{path} reached").set()
        try:
            await asyncio.Event().wait()
        finally:
            self.gate(f"{path} cut off").set()
            await asyncio.Event().wait()

    async def undo(self, what: str) -> None:
        self.undone.append(what)


def step(id: str, function: str = "work", more: str = "") -> str:
    return f"{{id: {id}, type: python, function: {function}{more}}}"


def made(id: str, function: str = "hold") -> str:
    undo = step("undo", "undo", f", inputs: {{what: '{{{{ {id}.output }}}}'}}")
    return step(id, function, f", rollback: [{undo}]")


def beside(*steps: str, id: str = "d") -> str:
    return f"{{id: {id}, type: parallel, wait_for: none, steps: [{', '.join(steps)}]}}"


def conditional(id: str, *steps: str, more: str = "") -> str:
    then = f"then: [{', '.join(steps)}]"
    return f"{{id: {id}, type: conditional, condition: 'true', {then}{more}}}"


AGAIN = ", retry: {attempts: 2, delay: 1ms}"
SKIP = ", on_error: skip"
BAD = step("bad", "fail", ", on_error: rollback")

CHILD = f"{beside(made('late'))}\n- {step('try', 'flaky')}"

PATIENCE = 60
"""Seconds after which what has not been taken up never will be."""


async def lived(
    folder: Path,
    text: str,
    *reached: str,
    lives: int = 2,
    child: str = CHILD,
    over: tuple[str, Deadlines] | None = None,
) -> tuple[Any, Lives]:
    """Close the app where the paths are reached, in each life but the last.

    `over` says of which of them no other is reached before the time is up.
    """
    execution = None
    for life in range(lives):
        async with open_house(folder) as house:
            work = Lives(house, open=life == lives - 1)
            await house.app.register({**mapping(f"- {child}"), "name": "child"})
            if execution is None:
                execution = await house.start(text)
            else:
                await house.app.resume(execution.id)
            async with asyncio.timeout(PATIENCE):
                for path in () if work.open else reached:
                    await work.gate(path if " " in path else f"{path} reached").wait()
                    if over is not None and path == over[0]:
                        await over[1].end()
            if work.open:
                return await house.app.wait(execution.id), work
    raise AssertionError
