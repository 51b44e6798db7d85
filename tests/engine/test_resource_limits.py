"""What `resource_limits` of a workflow mean as it runs: time that counts, memory that is shared."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.graphs.execution import Status
from assay.graphs.limits import Stopwatch
from assay.graphs.processtree import visible
from assay.graphs.worktime import Worktime

from ..running import House, Order, mapping, note, open_house, statuses
from .asking import answered

pytestmark = pytest.mark.anyio


class Shift:
    """Time that is worked, which passes only when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._at_work: list[Worktime] = []

    def begin(self, before: float, limit: float | None, over: Callable[[], None]) -> Worktime:
        """As `Worktime` does."""
        begun = Worktime(before, limit, over)
        begun._watch = Stopwatch(before, lambda: self.now)
        self._at_work.append(begun)
        return begun

    def work(self, seconds: float) -> None:
        self.now += seconds
        for each in self._at_work:
            if each._timer is not None and each._limit is not None and each.seconds >= each._limit:
                each._over()


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Shift:
    shift = Shift()
    monkeypatch.setattr("assay.graphs.drive.Worktime", shift.begin)
    return shift


def limited(steps: str, timeout: str = "500ms", more: str = "") -> dict[str, object]:
    return mapping(f"name: w\nresource_limits: {{timeout: {timeout}}}\n{more}\nsteps:\n{steps}")


async def test_who_works_too_long_is_cut_off_and_fails(house: House, order: Order) -> None:
    steps = "- {id: long, type: shell, command: sleep 600}\n- " + note("after")

    execution = await asyncio.wait_for(house.run(limited(steps)), 60)

    assert execution.error is not None
    assert (execution.status, execution.error.code) == ("failed", "limit_reached")
    assert "longer than `resource_limits.timeout` of 0.5s" in execution.error.message
    assert statuses(execution) in ({"long": "cancelled"}, {})  # a slow machine may not begin it
    assert order.seen == []


async def test_it_is_undone_where_that_is_the_default(
    house: House, order: Order, shift: Shift
) -> None:
    done = note("done", f", rollback: [{note('undo')}]")
    steps = f"- {done}\n- {{id: long, type: python, function: pass_gate, inputs: {{name: x}}}}"

    async def work_too_long(document: dict[str, object]) -> None:
        order.gate("x reached").clear()
        execution = await house.start(document)
        await order.gate("x reached").wait()
        shift.work(3600)
        await house.app.wait(execution.id)

    await work_too_long(limited(steps, "1h"))
    assert order.seen == ["done"]

    await work_too_long(limited(steps, "1h", "error_handling: {default: rollback}"))
    assert order.seen == ["done", "done", "undo"]


async def test_waiting_does_not_count(house: House, order: Order, shift: Shift) -> None:
    steps = f"- {{id: ask, type: approval, message: x}}\n- {note('after')}"
    execution = await house.start(limited(steps, "1h"))
    await house.app.manager.wait(execution.id, until=(Status.WAITING,))
    shift.work(7200)

    await answered(house, execution, "ask")

    assert (await house.app.wait(execution.id)).status == "completed"


async def test_what_was_worked_before_a_wait_counts_in_the_next_process(
    tmp_path: Path, shift: Shift
) -> None:
    part = "type: python, function: pass_gate"
    steps = f"""
- {{id: a, {part}, inputs: {{name: a}}}}
- {{id: ask, type: approval, message: x}}
- {{id: b, {part}, inputs: {{name: b}}}}
"""
    async with open_house(tmp_path) as house:
        order = Order(house)
        execution = await house.start(limited(steps, "1h"))
        await order.gate("a reached").wait()
        shift.work(1800)
        order.gate("a").set()
        await house.app.manager.wait(execution.id, until=(Status.WAITING,))

    async with open_house(tmp_path) as house:
        order = Order(house)
        await answered(house, execution, "ask")
        await house.app.resume(execution.id)
        await order.gate("b reached").wait()
        shift.work(1800)
        ended = await house.app.wait(execution.id)

    assert statuses(ended) == {"a": "completed", "ask": "completed", "b": "cancelled"}
    assert ended.error is not None
    assert ended.error.code == "limit_reached"


@pytest.mark.skipif(not visible(), reason="needs /proc to look at")
async def test_branches_share_the_memory_and_the_larger_is_ended(house: House) -> None:
    def holds(mib: int, then: str) -> str:
        program = f"import time; held = bytearray({mib} << 20); {then}"
        return shlex.join([sys.executable, "-I", "-S", "-c", program])

    small = holds(40, "open('small', 'w').close(); time.sleep(3)")
    large = f"until test -e small; do sleep 0.05; done; {holds(120, 'time.sleep(60)')}"
    execution = await house.run(
        {
            "name": "w",
            "resource_limits": {"memory": "140MiB"},
            "steps": [
                {
                    "id": "p",
                    "type": "parallel",
                    "steps": [
                        {"id": "small", "type": "shell", "command": small},
                        {"id": "large", "type": "shell", "command": large},
                    ],
                }
            ],
        }
    )

    assert statuses(execution) == {"p.small": "completed", "p.large": "failed", "p": "failed"}
    assert execution.error is not None
    assert execution.error.path == "p.large"
    assert "over its `resource_limits.memory` of 140MiB" in execution.error.message
