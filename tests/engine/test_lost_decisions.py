"""A large value that was decided: resumed, inherited, and lost as a step's own value is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

import assay
from assay.graphs.errors import StateCorrupted
from assay.graphs.execution import Status

from ..running import House, note, open_house, statuses
from .asking import answered
from .kept import Kept, kept
from .test_lost_values import LARGE, LOST, SIZE, Large, Lose

pytestmark = [pytest.mark.anyio, pytest.mark.every_store]

ASK = "{id: ask, type: approval, message: x, when: index == 1}"
TELL = "{id: tell, type: skill, skill: echo, inputs: {message: '{{ size(item) }}'}}"
EACH = f"""
    - {LARGE}
    - id: each
      type: foreach
      concurrency: 1
      items: "[large.output, 'yy']"
      steps: [{note("a")}, {ASK}, {TELL}]
    - {note("end")}
"""


async def blobs(folder: Path) -> list[str]:
    return [each.sha256 for each in await kept(folder)]


async def items(folder: Path) -> Kept:
    """A list of items is larger than the value in it."""
    large, both = await kept(folder)
    assert len(both.data) > len(large.data) > SIZE
    return both


async def parked(folder: Path, text: str = EACH) -> assay.Execution:
    async with open_house(folder) as house:
        Large(house)
        execution = await house.start(text)
        return await house.app.manager.wait(execution.id, until=(Status.WAITING,))


async def finished(house: House, execution: assay.Execution) -> assay.Execution:
    await house.app.resume(execution.id)
    await answered(house, execution, "each[1].ask")
    return await house.app.wait(execution.id)


async def test_after_a_restart_it_is_what_was_decided(tmp_path: Path) -> None:
    execution = await parked(tmp_path)
    before = await blobs(tmp_path)

    async with open_house(tmp_path) as house:
        large = Large(house)
        done = await finished(house, execution)

    assert (done.status, large.seen) == ("completed", ["end"])
    assert [done.steps[f"each[{n}].tell"].output for n in (0, 1)] == [SIZE, 2]
    assert await blobs(tmp_path) == before


@LOST
async def test_what_has_ended_is_shown_without_it(tmp_path: Path, lose: Lose) -> None:
    async with open_house(tmp_path) as house:
        Large(house)
        execution = await house.run(EACH.replace("index == 1", "index == 2"))
        await lose(await items(tmp_path))
        shown = await house.app.manager.get(execution.id)

    assert (shown.status, statuses(shown)) == ("completed", statuses(execution))
    (notice,) = [each for each in shown.notices if "is lost" in each]
    assert "the decision `items` of step each of execution" in notice


@LOST
async def test_what_needs_it_fails_and_nothing_is_guessed(tmp_path: Path, lose: Lose) -> None:
    execution = await parked(tmp_path)
    await lose(await items(tmp_path))

    async with open_house(tmp_path) as house:
        large = Large(house)
        await house.app.resume(execution.id)
        done = await house.app.wait(execution.id)

    assert done.error is not None
    assert (done.status, done.error.code) == ("failed", "state_corrupted")
    assert "the decision `items` of step each" in done.error.message
    assert large.seen == []


async def test_once_it_is_back_a_retry_goes_on(tmp_path: Path) -> None:
    execution = await parked(tmp_path)
    decided = await items(tmp_path)
    await decided.gone()
    async with open_house(tmp_path) as house:
        large = Large(house)
        await house.app.resume(execution.id)
        await house.app.wait(execution.id)
        with pytest.raises(StateCorrupted, match=r"`items` of step each .*; begin at that step"):
            await house.app.manager.fork(execution.id, "each[1].ask")
        await decided.back()
        retry = await house.app.manager.fork(execution.id, "each[1].ask")
        await answered(house, retry, "each[1].ask")
        done = await house.app.wait(retry.id)

    assert (done.status, large.seen) == ("completed", ["end"])
    assert done.steps["each[1].tell"].output == 2


async def test_the_step_that_decided_can_decide_again(tmp_path: Path) -> None:
    execution = await parked(tmp_path)
    await (await items(tmp_path)).gone()

    async with open_house(tmp_path) as house:
        large = Large(house)
        fork = await house.app.manager.fork(execution.id, "each")
        await answered(house, fork, "each[1].ask")
        done = await house.app.wait(fork.id)

    assert (done.status, large.seen) == ("completed", ["a", "a", "end"])
    assert await items(tmp_path)


async def test_a_fork_inherits_it_and_outlives_its_origin(tmp_path: Path) -> None:
    execution = await parked(tmp_path)
    before = await blobs(tmp_path)

    async with open_house(tmp_path) as house:
        large = Large(house)
        fork = await house.app.manager.fork(execution.id, "each[1]")
        await house.app.manager.stop(execution.id)
        await house.app.manager.delete(execution.id)
        await answered(house, fork, "each[1].ask")
        done = await house.app.wait(fork.id)

    assert (done.status, large.seen) == ("completed", ["a", "end"])
    assert [done.steps[f"each[{n}].tell"].output for n in (0, 1)] == [SIZE, 2]
    assert await blobs(tmp_path) == before


@pytest.mark.sqlite_only("there was no other store when version 1 was written")
async def test_a_fork_keeps_what_an_older_journal_had_in_itself(tmp_path: Path) -> None:
    """Version 1 wrote decisions whole, whatever their size."""
    execution = await parked(tmp_path)
    decided = await items(tmp_path)
    with closing(sqlite3.connect(tmp_path / "home" / "assay.db")) as database, database:
        for key, data in database.execute("SELECT key, data FROM journal").fetchall():
            old = older(orjson.loads(data), orjson.loads(decided.data))
            database.execute("UPDATE journal SET data = ? WHERE key = ?", (old, key))
    await decided.gone()

    async with open_house(tmp_path) as house:
        Large(house)
        fork = await house.app.manager.fork(execution.id, "each[1].ask")
        assert await items(tmp_path) == decided
        await house.app.manager.stop(fork.id)
        done = await finished(house, execution)

    assert done.steps["each[0].tell"].output == SIZE


def older(entry: list[object], value: object) -> bytes:
    """The entry as version 1 wrote it; the value is the only one that was decided apart."""
    version, base, *records = entry
    assert version == 2
    whole = [[*r[:3], value] if r[0] == "d" and len(r) == 5 else r for r in records]  # type: ignore[index, arg-type]
    return orjson.dumps([1, base, *whole])
