"""A full disk parks an execution and names the error; with room again it goes on, once each."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import StoreUnavailable
from assay.graphs.event import Event, EventType

from ..running import House, open_house
from .existence import Existence
from .forkserver import ForkServer
from .ledger import Account

BLOB = """
name: blob
steps:
  - {id: first, type: python, function: mark}
  - {id: fill, type: python, function: fill}
  - {id: large, type: python, function: bulk, inputs: {size: 2000000}}
  - {id: last, type: python, function: mark, inputs: {value: "{{ size(large.output) }}"}}
outputs: {size: {value: "{{ last.output }}"}}
"""
ARTIFACT = BLOB.replace(
    "{id: large, type: python, function: bulk, inputs: {size: 2000000}}",
    "{id: large, type: shell, artifacts: {big: big},"
    ' command: "echo begin large 1 1 >> ledger; head -c 2000000 /dev/zero > big; echo -n 2m"}',
)
DATABASE = """
name: database
steps:
  - {id: first, type: python, function: mark}
  - {id: fill, type: python, function: fill}
  - {id: each, type: foreach, items: "[1, 2, 3]", steps: [
      {id: large, type: python, function: bulk, inputs: {size: 60000}}]}
  - {id: last, type: python, function: mark}
"""


class Squeeze:
    """Keeps the database of a house from growing."""

    def __init__(self, house: House) -> None:
        store: Any = house.app.manager.store
        self._run = store._writer.run  # the limit is one of the connection that writes

    async def close(self) -> None:
        await self._run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())

    async def open(self) -> None:
        await self._run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())


@pytest.mark.anyio
async def test_a_database_that_cannot_grow_parks_what_runs_until_it_can(tmp_path: Path) -> None:
    calls: list[int] = []

    async def big(n: int) -> str:
        calls.append(n)
        return "x" * 60_000

    async with open_house(tmp_path) as house:
        squeeze = Squeeze(house)
        house.function(big)
        house.app.function("close", squeeze.close)
        started = await house.start(
            """
            - {id: close, type: python, function: close}
            - {id: a, type: python, function: big, inputs: {n: 1}}
            - {id: b, type: python, function: big, inputs: {n: 2}}
            """
        )
        notice = await first(house, started.id, EventType.NOTICE)
        await first(house, started.id, EventType.NOTICE)
        standing = await house.app.manager.get(started.id)
        assert (standing.status, calls) == ("running", [1])
        assert notice.seq == 0, "what cannot be written cannot be durable"
        assert "disk is full" in str(notice.data["message"])

        await squeeze.open()
        ended = await house.app.wait(started.id)
        assert (ended.status, calls) == ("completed", [1, 2])
        numbers = [event.seq async for event in house.app.manager.events(started.id)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.anyio
async def test_on_a_full_disk_nothing_begins_by_half(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        squeeze = Squeeze(house)
        await house.run("- {id: a, type: skill, skill: echo}")
        await squeeze.close()
        large = f"- {{id: b, type: skill, skill: echo, inputs: {{message: {'x' * 100_000}}}}}"
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await house.start(large)
        await squeeze.open()

        assert (await house.run(large)).status == "completed"
        assert len((await house.app.manager.executions()).items) == 2


@pytest.mark.anyio
async def test_a_cache_that_cannot_grow_costs_no_second_effect(tmp_path: Path) -> None:
    calls = 0

    async def big() -> str:
        nonlocal calls
        calls += 1
        return "x" * 60_000

    async with open_house(tmp_path) as house:
        squeeze = Squeeze(house)
        house.function(big)
        house.app.function("close", squeeze.close)
        started = await house.start(
            """
            - {id: close, type: python, function: close}
            - {id: a, type: python, function: big, cache: {key: always}}
            """
        )
        await first(house, started.id, EventType.NOTICE)
        await squeeze.open()
        ended = await house.app.wait(started.id)

    assert (ended.status, calls) == ("completed", 1)


async def first(house: House, execution_id: str, type: EventType) -> Event:
    async with asyncio.timeout(60):
        async for event in house.app.manager.follow(execution_id):
            if event.type is type:
                return event
    raise AssertionError(f"no {type}")


def test_a_file_that_may_not_grow_parks_what_runs_until_it_may(
    server: ForkServer, tmp_path: Path
) -> None:
    """Which stands for quotas and the like."""
    expect_parked(existence(server, tmp_path, BLOB), "small_disk:files")


@pytest.mark.parametrize(
    ("text", "room"),
    [(BLOB, 1_000_000), (ARTIFACT, 1_000_000), (DATABASE, 0)],
    ids=["large-result", "artifact", "database"],
)
def test_a_disk_without_room_parks_what_runs_until_there_is(
    server: ForkServer, tmp_path: Path, text: str, room: int
) -> None:
    expect_parked(existence(server, tmp_path, text), "small_disk:disk", room=room)


def existence(server: ForkServer, folder: Path, text: str) -> Existence:
    environ = {"PATH": os.environ["PATH"]}
    return Existence(server, folder / "e", {"w.yaml": text}, {}, environ)


def expect_parked(existence: Existence, program: str, **how: Any) -> None:
    """Notices name the error, nothing goes on meanwhile, then all ends with no effect twice."""
    child = existence.begin(program, **how)
    said = []
    while (line := child.hear()) is not None:
        said.append(line)
    assert child.end() == 0, child.log
    if said[0].startswith("not allowed"):
        pytest.skip(f"a disk of one's own is {said[0]}")
    *notices, end = said
    assert len(notices) >= 2, said
    assert len({notice.split(" ")[1] for notice in notices[:2]}) == 1, "something went on"
    assert all("No space left" in n or "disk is full" in n or "too large" in n for n in notices)
    assert end == "completed True None"
    account = Account.of(existence.ledger.lines())
    assert account.begun["last", 1] == 1
    assert account.repeated == 0
