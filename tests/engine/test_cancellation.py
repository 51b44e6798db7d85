"""Stopping, losing and timing out end everything that was started, down to the grandchildren."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

import assay
from assay.graphs import processes
from assay.graphs.errors import ExecutionNotFound

from ..deadlines import Deadlines
from ..running import House, Order, note, open_house, statuses

pytestmark = pytest.mark.anyio

FAMILY = "bash -c 'echo $$ >>pids; sleep 600 & echo $! >>pids; wait' & wait"
STUBBORN = "bash -c 'trap \"\" TERM; echo $$ >>pids; while :; do sleep 0.1; done'"


async def family(house: House, members: int = 2) -> list[psutil.Process]:
    """The processes that a step has started, once all of them run."""
    pids = house.workspace / "pids"

    def read() -> list[psutil.Process]:
        while not pids.exists() or len(pids.read_text().split()) < members:
            pass
        return [psutil.Process(int(pid)) for pid in pids.read_text().split()]

    return await asyncio.wait_for(asyncio.to_thread(read), 60)


def running(members: list[psutil.Process]) -> list[psutil.Process]:
    """Those still alive, when the dead have had time to be collected."""
    _, alive = psutil.wait_procs(members, timeout=0)
    return [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.3)


def document(command: str) -> dict[str, object]:
    """A definition with one command."""
    return {"name": "w", "steps": [{"id": "s", "type": "shell", "command": command}]}


@pytest.mark.parametrize(("command", "members"), [(FAMILY, 2), (STUBBORN, 1)])
async def test_stopping_ends_the_whole_process_group(
    house: House, command: str, members: int
) -> None:
    started = await house.start(document(command))
    family_ = await family(house, members)

    execution = await house.app.manager.stop(started.id)

    assert running(family_) == []
    assert (execution.status, statuses(execution)) == ("cancelled", {"s": "cancelled"})
    assert execution.error is not None
    assert execution.error.code == "cancelled"


@pytest.mark.parametrize(("command", "members"), [(FAMILY, 2), (STUBBORN, 1)])
async def test_losing_an_any_ends_the_whole_process_group(
    house: House, order: Order, command: str, members: int
) -> None:
    branches = [
        {"id": "loser", "type": "shell", "command": command},
        {"id": "winner", "type": "python", "function": "pass_gate", "inputs": {"name": "win"}},
    ]
    started = await house.start(
        {
            "name": "w",
            "steps": [{"id": "p", "type": "parallel", "wait_for": "any", "steps": branches}],
        }
    )
    family_ = await family(house, members)

    order.gate("win").set()
    execution = await house.app.wait(started.id)

    assert running(family_) == []
    assert execution.status == "completed"
    assert statuses(execution)["p.loser"] == "cancelled"


@pytest.mark.parametrize(("command", "members"), [(FAMILY, 2), (STUBBORN, 1)])
async def test_a_timeout_ends_the_whole_process_group(
    house: House, deadlines: Deadlines, command: str, members: int
) -> None:
    step = {"id": "s", "type": "shell", "command": command, "timeout": "1h"}
    started = await house.start({"name": "w", "steps": [step]})
    family_ = await family(house, members)

    await deadlines.end()
    execution = await house.app.wait(started.id)

    assert running(family_) == []
    assert execution.error is not None
    assert execution.error.code == "timeout"


async def test_closing_the_app_lets_go_of_what_it_runs(tmp_path: Path) -> None:
    """Nothing of it is left running, and another process can go on with it."""
    async with open_house(tmp_path) as house:
        started = await house.start(document(FAMILY))
        family_ = await family(house)

    assert running(family_) == []
    async with open_house(tmp_path) as house:
        let_go = await house.app.manager.get(started.id)
        assert let_go.status == "queued"
        assert "cancelled" not in statuses(let_go).values()


async def test_what_nobody_waits_for_is_ended_as_well(house: House, order: Order) -> None:
    branch = {"id": "s", "type": "shell", "command": FAMILY}
    started = await house.start(
        {
            "name": "w",
            "steps": [{"id": "p", "type": "parallel", "wait_for": "none", "steps": [branch]}],
        }
    )
    family_ = await family(house)

    execution = await house.app.manager.stop(started.id)

    assert running(family_) == []
    assert statuses(execution)["p.s"] == "cancelled"


async def test_a_stopped_step_is_not_tried_again(house: House, order: Order) -> None:
    started = await house.start(
        f"""
        - id: never
          type: python
          function: pass_gate
          inputs: {{name: x}}
          retry: {{attempts: 5, delay: 0s}}
          on_error: skip
        - {note("after")}
        """
    )
    await order.gate("x reached").wait()

    execution = await house.app.manager.stop(started.id)

    assert statuses(execution) == {"never": "cancelled"}


async def test_stopping_during_a_pause_between_attempts_ends_at_once(
    house: House, order: Order
) -> None:
    started = await house.start(
        "- {id: a, type: python, function: fail, retry: {attempts: 2, delay: 1h, max_delay: 1h}}"
    )
    await order.gate("failed").wait()

    execution = await asyncio.wait_for(house.app.manager.stop(started.id), 60)

    assert execution.status == "cancelled"


async def test_stopping_what_has_ended_changes_nothing(house: House) -> None:
    ended = await house.run("- {id: a, type: skill, skill: echo}")

    assert (await house.app.manager.stop(ended.id)).status == "completed"


async def test_stopping_what_nobody_knows_is_said_so(house: House) -> None:
    with pytest.raises(ExecutionNotFound):
        await house.app.manager.stop("no-such-execution")


async def test_stopping_twice_at_once_is_one_end(house: House, order: Order) -> None:
    started = await house.start(
        "- {id: never, type: python, function: pass_gate, inputs: {name: x}}"
    )
    await order.gate("x reached").wait()
    manager = house.app.manager

    first, second = await asyncio.gather(manager.stop(started.id), manager.stop(started.id))

    assert first.status == second.status == assay.Status.CANCELLED


async def test_one_stopped_execution_leaves_the_others_alone(house: House, order: Order) -> None:
    text = """
        name: {name}
        steps:
          - {{id: p, type: python, function: pass_gate, inputs: {{name: {name}}}}}
    """
    one, two = [await house.start(text.format(name=n)) for n in ("one", "two")]
    await asyncio.gather(order.gate("one reached").wait(), order.gate("two reached").wait())

    await house.app.manager.stop(one.id)
    order.gate("two").set()

    assert (await house.app.wait(two.id)).status == "completed"
