"""Executions that take turns: who runs, how many at once, and when each may go on."""

from __future__ import annotations

from typing import Any

import assay
from assay.graphs.event import EventType

from ..running import House, Order
from .lasting import happened


class Turns(Order):
    """`turn` notes who begins, and ends when it may; `most` is how many were there at once."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.house = house
        self.here = 0
        self.most = 0
        house.function(self.turn)

    async def turn(self, name: str) -> str:
        self.seen.append(name)
        self.here += 1
        self.most = max(self.most, self.here)
        try:
            self.gate(f"{name} reached").set()
            await self.gate(name).wait()
        finally:
            self.here -= 1
        return name

    async def start(
        self, name: str, definition: dict[str, Any] | None = None, *, priority: int = 0
    ) -> assay.Execution:
        return await self.house.app.manager.start(
            definition or alone(), {"name": name}, priority=priority
        )

    async def reached(self, *names: str) -> None:
        for name in names:
            await self.gate(f"{name} reached").wait()

    def let(self, *names: str) -> None:
        """They may end, now or as soon as they begin."""
        for name in names:
            self.gate(name).set()

    async def ended(self, *executions: assay.Execution) -> list[str]:
        """How they have ended."""
        return [(await self.house.app.wait(e.id)).status.value for e in executions]

    async def slots(self, *executions: assay.Execution, key: str | None = None) -> str:
        """`0 | 1 2`: which of them hold a slot, and which wait, in order of turn."""
        names = {e.id: str(n) for n, e in enumerate(executions)}
        found = await self.house.app.manager.slots(key)
        held = [names.get(s.execution_id, "?") for s in found if s.held]
        waiting = [names.get(s.execution_id, "?") for s in found if not s.held]
        return f"{' '.join(held)} | {' '.join(waiting)}".strip()


def alone(*before: dict[str, Any], name: str = "w", **concurrency: Any) -> dict[str, Any]:
    """A workflow whose executions take turns; steps may come before the turn."""
    turn = {
        "id": "turn",
        "type": "python",
        "function": "turn",
        "inputs": {"name": "{{ inputs.name }}"},
    }
    return {
        "name": name,
        "inputs": {"name": {"type": "string"}},
        "concurrency": concurrency,
        "steps": [*before, turn],
    }


ASK = {"id": "ask", "type": "approval", "message": "x"}


async def waiting(house: House, execution: assay.Execution) -> None:
    """As soon as the whole execution waits."""
    await happened(house, execution, EventType.EXECUTION_WAITING)
