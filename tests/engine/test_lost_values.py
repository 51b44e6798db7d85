"""A value that has been lost is named; what is left of its execution can still be seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import assay
from assay.graphs.errors import StateCorrupted
from assay.graphs.execution import Status

from ..running import House, Order, note, open_house, statuses
from .asking import answered
from .kept import Kept, kept
from .lasting import events, types

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

SIZE = 100_000
LARGE = f"{{id: large, type: python, function: large, inputs: {{size: {SIZE}}}}}"
ASK = "{id: ask, type: approval, message: x}"
AFTER = "{id: after, type: skill, skill: echo, inputs: {message: '{{ size(large.output) }}'}}"


class Large(Order):
    def __init__(self, house: House) -> None:
        super().__init__(house)
        house.function(self.large)

    async def large(self, size: int) -> str:
        self.seen.append("large")
        return "x" * size


async def blob(folder: Path) -> Kept:
    """The one large value that is kept."""
    (found,) = [each for each in await kept(folder) if len(each.data) > SIZE]
    return found


LOST = pytest.mark.parametrize("lose", [Kept.gone, Kept.damaged], ids=["gone", "damaged"])
Lose = Callable[[Kept], Awaitable[None]]


async def parked(folder: Path, text: str) -> assay.Execution:
    async with open_house(folder) as house:
        Large(house)
        execution = await house.start(text)
        return await house.app.manager.wait(execution.id, until=(Status.WAITING,))


@LOST
async def test_what_has_ended_is_shown_without_it(tmp_path: Path, lose: Lose) -> None:
    async with open_house(tmp_path) as house:
        Large(house)
        execution = await house.run(f"- {LARGE}\n- {AFTER}")
        await lose(await blob(tmp_path))
        shown = await house.app.manager.get(execution.id)
        found = await events(house, execution)

    assert (shown.status, shown.outputs) == (execution.status, execution.outputs)
    assert statuses(shown) == statuses(execution)
    assert (shown.steps["large"].output, shown.steps["after"].output) == (None, SIZE)
    (notice,) = [each for each in shown.notices if "is lost" in each]
    assert "step large" in notice
    assert str(SIZE + 2) in notice
    assert types(found)[-1] == "ExecutionCompleted"


@LOST
async def test_what_needs_it_fails_and_nothing_is_guessed_or_undone(
    tmp_path: Path, lose: Lose
) -> None:
    execution = await parked(
        tmp_path,
        f"""
        name: w
        error_handling: {{default: rollback}}
        steps:
          - {note("a", f", rollback: [{note('undo')}]")}
          - {LARGE}
          - {ASK}
          - {note("b")}
        """,
    )
    await lose(await blob(tmp_path))

    async with open_house(tmp_path) as house:
        large = Large(house)
        await house.app.resume(execution.id)
        await house.app.wait(execution.id)
        done = await house.app.manager.get(execution.id)
        left = await house.app.manager.questions(execution_id=execution.id)

    assert done.error is not None
    assert (done.status, done.error.code) == ("failed", "state_corrupted")
    assert "step large" in done.error.message
    assert (large.seen, list(left.items)) == ([], [])
    assert statuses(done)["a"] == "completed"
    assert any("step large" in notice for notice in done.notices)


async def test_others_go_on(tmp_path: Path) -> None:
    lost = await parked(tmp_path, f"- {LARGE}\n- {ASK}")
    other = await parked(tmp_path, f"- {note('a')}\n- {ASK}")
    await (await blob(tmp_path)).gone()

    async with open_house(tmp_path) as house:
        Large(house)
        house.app.manager.serve()
        await house.app.resume(lost.id)
        await answered(house, other, "ask")
        ended = [(await house.app.wait(e.id)).status.value for e in (lost, other)]

    assert ended == ["failed", "completed"]


async def test_once_it_is_back_a_retry_goes_on(tmp_path: Path) -> None:
    """A backup of the blobs is all that it takes."""
    execution = await parked(tmp_path, f"- {LARGE}\n- {ASK}\n- {AFTER}")
    value = await blob(tmp_path)
    await value.gone()
    async with open_house(tmp_path) as house:
        Large(house)
        await house.app.resume(execution.id)
        failed = await house.app.wait(execution.id)
        with pytest.raises(StateCorrupted, match="step large"):
            await house.app.manager.fork(execution.id, "ask")
        await value.back()
        retry = await house.app.manager.fork(failed.id, "ask")
        await answered(house, retry, "ask")
        done = await house.app.wait(retry.id)

    assert (failed.status, done.status) == ("failed", "completed")
    assert done.steps["after"].output == SIZE


async def test_the_step_that_made_it_can_make_it_again(tmp_path: Path) -> None:
    """What a fork does not keep, it does not need."""
    execution = await parked(tmp_path, f"- {note('a')}\n- {LARGE}\n- {ASK}\n- {AFTER}")
    await (await blob(tmp_path)).gone()

    async with open_house(tmp_path) as house:
        large = Large(house)
        fork = await house.app.manager.fork(execution.id, "large")
        await answered(house, fork, "ask")
        done = await house.app.wait(fork.id)

    assert (done.status, large.seen) == ("completed", ["large"])
    assert done.steps["after"].output == SIZE
